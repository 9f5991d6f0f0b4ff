# SPDX-License-Identifier: Apache-2.0
"""One moving shot made of a real piece: a camera path over it, things that cross it, and what happens to the light."""

import cv2
import numpy as np

from pieces import Piece


def smooth_noise(rng: np.random.Generator, count: int, width: float) -> np.ndarray:
    """Gaussian noise of standard deviation 1, smoothed over `width` frames."""
    radius = max(1, int(3 * width))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / width) ** 2)
    values = np.convolve(rng.standard_normal(count + 2 * radius), kernel, mode="valid")
    return values / max(1e-6, float(np.sqrt((kernel**2).sum())))


class Shot:
    """Renders frames 0..count-1. All randomness is drawn when it is made."""

    def __init__(self, rng, piece: Piece, others: list[Piece], size, fps, count, motion="any", events=()):
        self.rng, self.piece, self.size, self.fps, self.count = rng, piece, size, fps, count
        self.blur_steps = 1
        height, width = piece.pictures[0].shape[:2]
        # Source pixels for one target pixel when the whole piece just fits.
        self.fit = min(width / size[0], height / size[1])
        self.place = np.zeros((count, 4))  # x, y in [-1, 1] of the room left, zoom in (0, 1], angle in degrees
        self.gain = np.ones(count)
        self.white = np.zeros(count)
        self.cutouts, self.texts = [], []
        self.noise = rng.uniform(0, 3)
        self.flip = rng.random() < 0.3
        self.play_from = int(rng.integers(0, len(piece.pictures)))
        self._set_motion(motion)
        for event in events:
            getattr(self, "_add_" + event)(others)

    # Camera paths.

    def _set_motion(self, motion):
        rng, count = self.rng, self.count
        if motion == "any":
            video = len(self.piece.pictures) > 1
            motion = rng.choice(
                ["static", "pan", "zoom", "handheld"], p=[0.6, 0.1, 0.1, 0.2] if video else [0.2, 0.35, 0.2, 0.25]
            )
        time = np.linspace(0, 1, count)
        self.place[:, 2] = rng.uniform(0.95, 1.0) if len(self.piece.pictures) > 1 else rng.uniform(0.5, 0.9)
        start = rng.uniform(-0.8, 0.8, 2)
        self.place[:, :2] = start
        seconds = count / self.fps
        if motion == "pan":
            angle = rng.uniform(0, 2 * np.pi)
            speed = rng.uniform(0.1, 0.6) * seconds
            self.place[:, 0] = np.clip(start[0] + speed * np.cos(angle) * (time - 0.5), -1, 1)
            self.place[:, 1] = np.clip(start[1] + speed * np.sin(angle) * (time - 0.5), -1, 1)
        elif motion == "zoom":
            rate = np.exp(rng.uniform(0.05, 0.25) * rng.choice([-1, 1]) * seconds * (time - 0.5))
            self.place[:, 2] = np.clip(0.65 * rate, 0.3, 1)
        elif motion == "handheld":
            self._shake(rng.uniform(0.01, 0.04), self.fps * 0.25)
        elif motion == "shake":
            self._shake(rng.uniform(0.05, 0.12), self.fps * 0.1)
            self.blur_steps = 3
        elif motion == "whip":
            self._whip()
        elif motion == "crash_zoom":
            self._crash_zoom()

    def _shake(self, amount, width):
        for axis, scale in ((0, 1.5), (1, 1.5), (3, 25)):
            self.place[:, axis] += amount * scale * smooth_noise(self.rng, self.count, width)
        self.place[:, :2] = np.clip(self.place[:, :2], -1, 1)

    def _whip(self):
        """Stands still, then throws the camera across within 0.15 to 0.6 s, again and again."""
        self.blur_steps = 5
        self.place[:, 2] = self.rng.uniform(0.35, 0.5)
        now, frame = self.rng.uniform(-1, 1, 2), 0
        while frame < self.count:
            hold = int(self.rng.uniform(0.4, 1.2) * self.fps)
            self.place[frame : frame + hold, :2] = now
            frame += hold
            target = np.array(
                [-np.sign(now[0]) * self.rng.uniform(0.3, 1), np.clip(now[1] + self.rng.uniform(-0.4, 0.4), -1, 1)]
            )
            length = int(self.rng.uniform(0.15, 0.6) * self.fps) + 1
            for k in range(length):
                if frame < self.count:
                    ease = (k + 1) / length
                    ease = ease * ease * (3 - 2 * ease)
                    self.place[frame, :2] = now + (target - now) * ease
                    frame += 1
            now = target

    def _crash_zoom(self):
        """Zooms by up to 2.2x within 0.2 to 0.8 s, in and out."""
        self.blur_steps = 3
        now, frame = 0.9, 0
        while frame < self.count:
            hold = int(self.rng.uniform(0.4, 1.2) * self.fps)
            self.place[frame : frame + hold, 2] = now
            frame += hold
            target = self.rng.uniform(0.4, 0.6) if now > 0.7 else self.rng.uniform(0.8, 1.0)
            length = int(self.rng.uniform(0.2, 0.8) * self.fps) + 1
            for k in range(length):
                if frame < self.count:
                    self.place[frame, 2] = now * (target / now) ** ((k + 1) / length)
                    frame += 1
            now = target

    # Events. Each takes the pieces that it may borrow from.

    def _moments(self, low_s, high_s):
        frame = int(self.rng.uniform(0.3, high_s) * self.fps)
        while frame < self.count:
            yield frame
            frame += int(self.rng.uniform(low_s, high_s) * self.fps)

    def _add_flashes(self, _others):
        """Photographers' flashes of 1 to 4 frames, and lightning that flickers."""
        for frame in self._moments(0.7, 2.0):
            length = int(self.rng.integers(1, 5))
            strength = self.rng.uniform(0.25, 1.0)
            flicker = self.rng.random() < 0.25
            for k in range(length * (3 if flicker else 1)):
                if frame + k < self.count and not (flicker and k % 2):
                    self.white[frame + k] = strength * (1 if flicker else (1 - 0.6 * k / length))
                    self.gain[frame + k] = 1 + strength

    def _add_one_flash(self, _others):
        frame = int(self.rng.uniform(0.3, 0.7) * self.count)
        for k in range(int(self.rng.integers(1, 3))):
            self.white[min(frame + k, self.count - 1)] = self.rng.uniform(0.4, 0.9)

    def _add_exposure(self, _others):
        """Light that goes up and down by up to 1.5 stops within 0.25 to 1.5 s."""
        now, frame = 0.0, 0
        for moment in self._moments(0.8, 2.0):
            if moment < frame:
                continue
            self.gain[frame:moment] *= 2.0**now
            target = self.rng.uniform(-1.5, 0.8)
            length = int(self.rng.uniform(0.25, 1.5) * self.fps)
            for k in range(length):
                if moment + k < self.count:
                    self.gain[moment + k] *= 2.0 ** (now + (target - now) * (k + 1) / length)
            now, frame = target, moment + length
        self.gain[frame:] *= 2.0**now

    def _add_texts(self, _others):
        """Captions and boxes that stand there at once, and go at once; up to 40% of the picture."""
        for frame in self._moments(0.6, 1.8):
            self._add_text_at(frame, self.rng.uniform(0.1, 0.4))

    def _add_one_text(self, _others):
        self._add_text_at(int(self.rng.uniform(0.2, 0.6) * self.count), self.rng.uniform(0.1, 0.3))

    def _add_text_at(self, frame, area):
        width, height = self.size
        box_width = min(0.96, np.sqrt(area) * self.rng.uniform(1, 1.8))
        box_height = area / box_width
        x, y = self.rng.uniform(0, 1 - box_width), self.rng.uniform(0, 1 - min(box_height, 0.95))
        box = (int(x * width), int(y * height), int((x + box_width) * width), int((y + box_height) * height))
        colour = tuple(int(c) for c in self.rng.integers(0, 256, 3))
        words = "".join(self.rng.choice(list("ABCDEFGHKLMNOPRSTUW aeiou!?"), 12))
        self.texts.append(
            (frame, frame + int(self.rng.uniform(0.3, 1.5) * self.fps), box, colour, words, self.rng.random() < 0.7)
        )

    def _add_objects(self, others):
        """Cut-outs of other pieces that cross the picture, up to 70% of it."""
        for frame in self._moments(0.8, 2.0):
            self._add_object_at(others, frame, self.rng.uniform(0.4, 0.95), self.rng.uniform(0.35, 1.6))

    def _add_one_object(self, others):
        self._add_object_at(
            others, int(self.rng.uniform(0.1, 0.4) * self.count), self.rng.uniform(0.2, 0.6), self.rng.uniform(0.8, 2)
        )

    def _add_object_at(self, others, frame, side, seconds):
        picture = others[int(self.rng.integers(0, len(others)))].pictures[0]
        size = (max(8, int(side * self.size[0])), max(8, int(side * self.size[1] * self.rng.uniform(0.8, 1.3))))
        patch = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        mask = np.zeros((size[1], size[0]), np.float32)
        if self.rng.random() < 0.5:
            cv2.ellipse(mask, (size[0] // 2, size[1] // 2), (size[0] // 2 - 2, size[1] // 2 - 2), 0, 0, 360, 1.0, -1)
        else:
            mask[2:-2, 2:-2] = 1
        mask = cv2.GaussianBlur(mask, (5, 5), 0)[..., None]
        begin = np.array([-0.6 - side, self.rng.uniform(-0.2, 0.6)])
        end = np.array([1.2, self.rng.uniform(-0.2, 0.6)])
        if self.rng.random() < 0.5:
            begin, end = end, begin
        self.cutouts.append((frame, max(3, int(seconds * self.fps)), patch, mask, begin, end))

    # Rendering.

    def _camera(self, picture, place):
        x, y, zoom, angle = place
        height, width = picture.shape[:2]
        scale = self.fit * zoom
        room = np.array([width - scale * self.size[0], height - scale * self.size[1]]) / 2
        centre = np.array([width, height]) / 2 + np.array([x, y]) * np.maximum(room, 0)
        c, s = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
        half = np.array(self.size) / 2
        matrix = np.array(
            [[c, -s, centre[0] - c * half[0] + s * half[1]], [s, c, centre[1] - s * half[0] - c * half[1]]]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(picture, matrix, self.size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)

    def _picture(self, i):
        count = len(self.piece.pictures)
        if count == 1:
            return self.piece.pictures[0]
        # To and fro, so that a short shot never jumps.
        k = (self.play_from + i) % (2 * count - 2)
        return self.piece.pictures[min(k, 2 * count - 2 - k)]

    def render(self, i: int) -> np.ndarray:
        picture = self._picture(i)
        before = self.place[max(0, i - 1)]
        steps = self.blur_steps if np.abs(self.place[i] - before).max() > 0.01 else 1
        frame = np.zeros((self.size[1], self.size[0], 3), np.float32)
        for k in range(steps):
            # The shutter is open for half of the time.
            frame += self._camera(picture, self.place[i] + (before - self.place[i]) * 0.5 * k / steps)
        frame /= steps
        if self.flip:
            frame = np.ascontiguousarray(frame[:, ::-1])
        for begin, length, patch, mask, start, end in self.cutouts:
            if begin <= i < begin + length:
                self._paste(frame, patch, mask, start + (end - start) * (i - begin) / length)
        frame *= self.gain[i]
        if self.white[i] > 0:
            frame += 255 * self.white[i]
        texts = [text for text in self.texts if text[0] <= i < text[1]]
        if texts:
            frame = np.clip(frame, 0, 255).astype(np.uint8)
            for _begin, _end, box, colour, words, filled in texts:
                if filled:
                    cv2.rectangle(frame, box[:2], box[2:], colour, -1)
                ink = tuple(255 - c for c in colour)
                scale = max(0.4, (box[2] - box[0]) / 230)
                cv2.putText(
                    frame, words, (box[0] + 4, (box[1] + box[3]) // 2 + 6), cv2.FONT_HERSHEY_DUPLEX, scale, ink, 2
                )
            frame = frame.astype(np.float32)
        if self.noise > 0.2:
            noise = np.random.default_rng([self.play_from, i]).standard_normal(frame.shape[:2], dtype=np.float32)
            frame += (self.noise * noise)[..., None]
        return np.clip(frame, 0, 255)

    def _paste(self, frame, patch, mask, at):
        height, width = frame.shape[:2]
        x, y = int(at[0] * width), int(at[1] * height)
        x0, y0 = max(0, x), max(0, y)
        x1, y1 = min(width, x + patch.shape[1]), min(height, y + patch.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        part = slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)
        target = frame[y0:y1, x0:x1]
        target += (patch[part] - target) * mask[part]
