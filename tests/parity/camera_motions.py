# SPDX-License-Identifier: Apache-2.0
"""Holds camera_analysis against camera motions that are known, because they are made here from photographs.

Each clip shows one motion of one photograph, with or without a moving foreground, with noise, landscape or portrait, at
several frame rates, through H.264. The analyzer must name the motion in at least 95% of the clips and measure the speed
within 10%. Clips with two motions or a cut check where segments end.

Needs ffmpeg, the built lightweight_probe, and the packages of scripts/requirements/parity.txt (see
`make parity`).
A run is repeatable: all choices come from --seed.
"""

import argparse
import collections
import dataclasses
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np

import photographs

SECONDS = 3
OVERSAMPLE = 2


@dataclasses.dataclass
class Clip:
    """One clip to make: what moves, how fast, and under which conditions."""

    motion: str
    speed: float
    photo: int
    portrait: bool
    fps: int
    foreground: float
    noise: float
    crf: int
    seed: int


SPEEDS = {
    "STATIC": [0.0],
    "PAN_LEFT": [0.03, 0.08, 0.2, 0.5],
    "PAN_RIGHT": [0.03, 0.08, 0.2, 0.5],
    "TILT_UP": [0.03, 0.08, 0.2, 0.4],
    "TILT_DOWN": [0.03, 0.08, 0.2, 0.4],
    "ZOOM_IN": [0.03, 0.08, 0.25],
    "ZOOM_OUT": [0.03, 0.08, 0.25],
    "ROLL": [-0.08, -0.02, 0.008, 0.03],
    "HANDHELD": [0.06, 0.12, 0.25],
}


def make_clips(seed: int, rounds: int) -> list[Clip]:
    """Every motion at every speed, `rounds` times, the conditions drawn by chance but evenly over the rounds."""
    random = np.random.default_rng(seed)
    clips = []
    for round_index in range(rounds):
        for motion, speeds in SPEEDS.items():
            for speed in speeds * (3 if motion == "STATIC" else 1):
                clips.append(
                    Clip(
                        motion=motion,
                        speed=speed,
                        photo=int(random.integers(1000)),
                        portrait=bool(random.integers(2)),
                        fps=int(random.choice([24, 25, 30, 60])),
                        foreground=0.0 if round_index % 2 == 0 else float(random.uniform(0.2, 0.35)),
                        noise=float(random.choice([0.0, 2.0, 5.0])),
                        crf=int(random.choice([18, 23, 28])),
                        seed=int(random.integers(1 << 30)),
                    )
                )
    return clips


def shake_path(times: np.ndarray, speed: float, diagonal: float, random: np.random.Generator) -> np.ndarray:
    """Shift (x, y) in pixels and turn in radians of a hand-held camera: waves of 1 to 6 Hz whose displacement has the
    root mean square `speed`, in diagonals a second."""
    path = np.zeros((len(times), 3))
    for axis in range(3):
        for _ in range(8):
            frequency = random.uniform(1, 6)
            phase = random.uniform(0, 2 * math.pi)
            path[:, axis] += np.sin(2 * math.pi * frequency * times + phase) / frequency
    # A turn moves the picture by 0.29 diagonals a radian; hands turn little.
    path[:, 2] *= 0.5
    rates = np.diff(path, axis=0) / np.diff(times)[:, None]
    energy = np.mean(rates[:, 0] ** 2 + rates[:, 1] ** 2 + rates[:, 2] ** 2 / 12)
    path *= speed / math.sqrt(energy)
    path[:, :2] *= diagonal
    return path


def camera_path(clip: Clip, times: np.ndarray, width: int, height: int) -> np.ndarray:
    """Rows of camera x, y (pixels), scale of the picture and turn of the camera (radians, clockwise)."""
    path = np.zeros((len(times), 4))
    path[:, 2] = 1
    middle = times - times[-1] / 2
    if clip.motion in ("PAN_LEFT", "PAN_RIGHT"):
        path[:, 0] = (1 if clip.motion == "PAN_RIGHT" else -1) * clip.speed * width * times
    elif clip.motion in ("TILT_UP", "TILT_DOWN"):
        path[:, 1] = (1 if clip.motion == "TILT_DOWN" else -1) * clip.speed * height * times
    elif clip.motion in ("ZOOM_IN", "ZOOM_OUT"):
        path[:, 2] = np.exp((1 if clip.motion == "ZOOM_IN" else -1) * clip.speed * middle)
    elif clip.motion == "ROLL":
        path[:, 3] = 2 * math.pi * clip.speed * times
    elif clip.motion == "HANDHELD":
        shake = shake_path(times, clip.speed, math.hypot(width, height), np.random.default_rng(clip.seed))
        path[:, 0], path[:, 1], path[:, 3] = shake[:, 0], shake[:, 1], shake[:, 2]
    return path


def render(photo: np.ndarray, width: int, height: int, row: np.ndarray) -> np.ndarray:
    """The view of the camera at one moment; the photograph is mirrored beyond its borders."""
    x, y, scale, turn = row
    big = (width * OVERSAMPLE, height * OVERSAMPLE)
    base = max(width / photo.shape[1], height / photo.shape[0]) * 1.1
    zoom = OVERSAMPLE * base * scale
    # Camera turned clockwise: the picture turns the other way.
    cos, sin = math.cos(-turn) * zoom, math.sin(-turn) * zoom
    center_x = (photo.shape[1] - 1) / 2 + x / base
    center_y = (photo.shape[0] - 1) / 2 + y / base
    matrix = np.array(
        [
            [cos, -sin, (big[0] - 1) / 2 - cos * center_x + sin * center_y],
            [sin, cos, (big[1] - 1) / 2 - sin * center_x - cos * center_y],
        ]
    )
    view = cv2.warpAffine(photo, matrix, big, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return cv2.resize(view, (width, height), interpolation=cv2.INTER_AREA)


class Foreground:
    """A textured blob of a given share of the frame that wanders by itself."""

    def __init__(self, photo: np.ndarray, share: float, width: int, height: int, random: np.random.Generator):
        self.width, self.height, self.photo = width, height, photo
        radius = math.sqrt(share * width * height / math.pi)
        stretch = random.uniform(0.8, 1.3)
        self.axes = (radius * stretch, radius / stretch)
        self.start = np.array([random.uniform(0.35, 0.65) * width, random.uniform(0.4, 0.6) * height])
        angle = random.uniform(0, 2 * math.pi)
        self.swing = random.uniform(0.05, 0.25) * np.array([width * math.cos(angle), height * math.sin(angle)])
        self.frequency = random.uniform(0.15, 0.5)
        self.phase = random.uniform(0, 2 * math.pi)

    def draw(self, frame: np.ndarray, time: float) -> np.ndarray:
        center = self.start + self.swing * math.sin(2 * math.pi * self.frequency * time + self.phase)
        grid_y, grid_x = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32)
        distance = ((grid_x - center[0]) / self.axes[0]) ** 2 + ((grid_y - center[1]) / self.axes[1]) ** 2
        mask = np.clip((1.05 - distance) / 0.1, 0, 1)
        shift = np.array(
            [[1, 0, center[0] - self.photo.shape[1] / 2], [0, 1, center[1] - self.photo.shape[0] / 2]], np.float64
        )
        texture = cv2.warpAffine(
            self.photo, shift, (self.width, self.height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        return frame * (1 - mask) + texture * mask


def frame_size(portrait: bool) -> tuple[int, int]:
    return (360, 640) if portrait else (640, 360)


def render_clip(clip: Clip, photos: list[np.ndarray], path: np.ndarray, times: np.ndarray):
    random = np.random.default_rng(clip.seed)
    width, height = frame_size(clip.portrait)
    photo = photos[clip.photo % len(photos)]
    other = photos[(clip.photo + 1 + clip.photo // len(photos) % (len(photos) - 1)) % len(photos)]
    foreground = Foreground(other, clip.foreground, width, height, random) if clip.foreground > 0 else None
    # One field of noise, shifted at random for each frame: as good, and much faster, than a new one.
    noise = random.normal(0, clip.noise, (2 * height, 2 * width)).astype(np.float32) if clip.noise > 0 else None
    for time, row in zip(times, path, strict=True):
        frame = render(photo, width, height, row).astype(np.float32)
        if foreground is not None:
            frame = foreground.draw(frame, time)
        if noise is not None:
            top, left = random.integers(height), random.integers(width)
            frame = frame + noise[top : top + height, left : left + width]
        yield np.clip(np.rint(frame), 0, 255).astype(np.uint8)


def encode(frames, size: tuple[int, int], fps: int, crf: int, output: pathlib.Path) -> None:
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{size[0]}x{size[1]}"]
    command += ["-r", str(fps), "-i", "-", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-crf", str(crf)]
    command += ["-pix_fmt", "yuv420p", str(output)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    for frame in frames:
        process.stdin.write(frame.tobytes())
    process.stdin.close()
    if process.wait() != 0:
        raise RuntimeError(f"ffmpeg failed on {output}")


def analyze(video: pathlib.Path, size: tuple[int, int], fps: int, probe: pathlib.Path, arguments=()) -> dict:
    scale = 320 / max(size)
    width, height = (round(side * scale / 2) * 2 for side in size)
    decode = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(video), "-vf", f"scale={width}:{height}:flags=area"]
    decode += ["-pix_fmt", "gray", "-f", "rawvideo", "-"]
    run = [str(probe), "--analyzer", "camera_analysis", "--width", str(width), "--height", str(height)]
    run += ["--fps", str(fps), *map(str, arguments)]
    source = subprocess.Popen(decode, stdout=subprocess.PIPE)
    done = subprocess.run(run, stdin=source.stdout, capture_output=True, check=True, timeout=300)
    source.wait()
    return json.loads(done.stdout)["typed"]


def seconds(duration: str) -> float:
    return float(duration.rstrip("s"))


def main_segment(result: dict) -> dict:
    """The longest segment."""
    return max(result["segments"], key=lambda part: seconds(part["endOffset"]) - seconds(part["startOffset"]))


def true_speed(clip: Clip, path: np.ndarray, times: np.ndarray, result: dict) -> float:
    """What the documented speed should be. The shake is measured at the sampled pairs, so that chance in the choice of
    moments does not count as an error of the estimate."""
    if clip.motion != "HANDHELD":
        return abs(clip.speed)
    width, height = frame_size(clip.portrait)
    total = []
    for sample in result["samples"]:
        index = round(seconds(sample["offset"]) * clip.fps)
        rate = (path[index] - path[index - 1]) * clip.fps
        total.append((rate[0] ** 2 + rate[1] ** 2) / (width**2 + height**2) + rate[3] ** 2 / 12)
    return math.sqrt(np.mean(total))


def evaluate(clips: list[Clip], photos: list[np.ndarray], probe: pathlib.Path, work: pathlib.Path, arguments) -> list:
    rows = []
    for index, clip in enumerate(clips):
        times = np.arange(SECONDS * clip.fps) / clip.fps
        size = frame_size(clip.portrait)
        path = camera_path(clip, times, *size)
        video = work / f"{index}.mp4"
        if not video.exists():
            encode(render_clip(clip, photos, path, times), size, clip.fps, clip.crf, video)
        result = analyze(video, size, clip.fps, probe, arguments)
        segment = main_segment(result)
        truth = true_speed(clip, path, times, result)
        error = abs(segment["speedPerSecond"] - truth) / truth if truth > 0 else segment["speedPerSecond"]
        rows.append((clip, segment, error, len(result["segments"])))
        if segment["motion"] != clip.motion or error > 0.1 or len(result["segments"]) > 1:
            print(f"{index}: {clip}\n    {result['segments']} error {error:.3f}", flush=True)
    return rows


def two_part_clips(photos, probe: pathlib.Path, work: pathlib.Path, count: int, seed: int) -> tuple[int, list[float]]:
    """Clips that rest, then pan, in one shot. Returns how many were split so, and the boundary errors in seconds."""
    random = np.random.default_rng(seed)
    right, errors = 0, []
    for index in range(count):
        speed, photo, chance = (
            float(random.uniform(0.08, 0.4)),
            int(random.integers(1000)),
            int(random.integers(1 << 30)),
        )
        clip = Clip("PAN_LEFT", speed, photo, bool(index % 2), 30, 0.0, 2.0, 23, chance)
        change = float(random.uniform(0.8, 2.2))
        times = np.arange(SECONDS * clip.fps) / clip.fps
        size = frame_size(clip.portrait)
        path = camera_path(clip, np.maximum(times - change, 0), *size)
        video = work / f"two{index}.mp4"
        encode(render_clip(clip, photos, path, times), size, clip.fps, clip.crf, video)
        segments = analyze(video, size, clip.fps, probe)["segments"]
        if [part["motion"] for part in segments] == ["STATIC", "PAN_LEFT"]:
            right += 1
            errors.append(abs(seconds(segments[0]["endOffset"]) - change))
        else:
            print(f"two parts, change at {change:.2f} s: {segments}", flush=True)
    return right, errors


def cut_clips(photos, probe: pathlib.Path, work: pathlib.Path) -> bool:
    """A pan left, a cut, a pan right: with the shots given, segments end exactly at the cut."""
    cut = 2.0
    parts = []
    for motion, photo in (("PAN_LEFT", 0), ("PAN_RIGHT", 1)):
        clip = Clip(motion, 0.2, photo, False, 30, 0.0, 2.0, 23, photo)
        times = np.arange(int(cut * 30)) / 30
        parts += list(render_clip(clip, photos, camera_path(clip, times, *frame_size(False)), times))
    video, shots = work / "cut.mp4", work / "cut.json"
    encode(parts, frame_size(False), 30, 23, video)
    shots.write_text(
        json.dumps({"shots": [{"startOffset": "0s", "endOffset": "2s"}, {"startOffset": "2s", "endOffset": "4s"}]})
    )
    segments = analyze(video, frame_size(False), 30, probe, ["--dependency", shots])["segments"]
    found = [(part["motion"], seconds(part["startOffset"]), seconds(part["endOffset"])) for part in segments]
    print(f"cut: {found}")
    return found == [("PAN_LEFT", 0, 2), ("PAN_RIGHT", 2, 4)]


def report(rows: list) -> tuple[float, float]:
    """Prints a table; returns the share of right classes and of speeds within 10% (of moving clips named right)."""
    groups = collections.defaultdict(list)
    for clip, segment, error, count in rows:
        row = (segment["motion"] == clip.motion, error, count == 1)
        groups["motion " + clip.motion].append(row)
        groups["foreground " + ("yes" if clip.foreground else "no")].append(row)
        groups["layout " + ("portrait" if clip.portrait else "landscape")].append(row)
        groups[f"fps {clip.fps}"].append(row)
        groups[f"noise {clip.noise:g}"].append(row)
        groups[f"crf {clip.crf}"].append(row)
        groups["all"].append(row)
    moving = [error for clip, segment, error, _ in rows if clip.motion != "STATIC" and segment["motion"] == clip.motion]
    print(f"{'group':24} clips  class  one segment  median error  worst error")
    for name, group in groups.items():
        errors = sorted(error for right, error, _ in group if right)
        right, single = np.mean([row[0] for row in group]), np.mean([row[2] for row in group])
        middle, worst = (errors[len(errors) // 2], errors[-1]) if errors else (math.nan, math.nan)
        print(f"{name:24} {len(group):5}  {right:5.3f}  {single:11.3f}  {middle:12.4f}  {worst:11.4f}")
    return float(np.mean([row[0] for row in groups["all"]])), float(np.mean([error <= 0.1 for error in moving]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", type=pathlib.Path, default=pathlib.Path("build/release/bin/lightweight_probe"))
    parser.add_argument("--photos", type=pathlib.Path, nargs="*", default=[], help="more photographs to move over")
    parser.add_argument(
        "--rounds", type=int, default=4, help="clips for each motion and speed; even rounds have a foreground"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--clips", type=pathlib.Path, help="keep the clips in this folder, and use those that lie there"
    )
    parser.add_argument("--reference", action="store_true", help="sample as the REFERENCE profile does")
    arguments = parser.parse_args()
    photos = photographs.load(arguments.photos)
    clips = make_clips(arguments.seed, arguments.rounds)
    with tempfile.TemporaryDirectory() as folder:
        work = arguments.clips or pathlib.Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        rows = evaluate(clips, photos, arguments.probe, work, ["--reference"] if arguments.reference else [])
        split, boundary = two_part_clips(photos, arguments.probe, work, 10, arguments.seed)
        cut_right = cut_clips(photos, arguments.probe, work)
    classes, speeds = report(rows)
    print(f"class right {classes:.3f} (at least 0.95), speed within 10% {speeds:.3f} (at least 0.95)")
    print(f"split where the motion changes {split}/10, boundary error median {np.median(boundary or [9]):.3f} s")
    passed = classes >= 0.95 and speeds >= 0.95 and split >= 9 and np.median(boundary or [9]) <= 0.17 and cut_right
    print("passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
