# SPDX-License-Identifier: Apache-2.0
"""Makes byte_track_golden.txt and kalman_golden.txt: what Ultralytics' ByteTrack makes of boxes invented here.

python -m venv golden && golden/bin/pip install ultralytics==8.4.190 lap==0.5.13
golden/bin/python make_byte_track_golden.py
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from ultralytics.trackers.byte_tracker import BYTETracker, STrack
from ultralytics.trackers.utils.kalman_filter import KalmanFilterXYAH

FOLDER = Path(__file__).parent
# The published filter counts frames at 30 a second, and pixels.
FRAMES_PER_SECOND = 30
SIDE_PX = 1000


class Boxes:
    """As the tracker takes them."""

    def __init__(self, xywh, conf):
        self.xywh = np.asarray(xywh, np.float32).reshape(-1, 4)
        self.conf = np.asarray(conf, np.float32)
        self.cls = np.zeros(len(self.conf), np.float32)

    def __getitem__(self, mask):
        return Boxes(self.xywh[mask], self.conf[mask])

    def __len__(self):
        return len(self.conf)


class SlowTracker(BYTETracker):
    """The published tracker at fewer samples a second: its filter still goes from frame to frame."""

    def __init__(self, args, frames_per_sample):
        super().__init__(args)
        self.frames_per_sample = frames_per_sample

    def multi_predict(self, tracks):
        for _ in range(self.frames_per_sample):
            STrack.multi_predict(tracks)


def walkers(rng, count, samples, frames_per_sample, speed, missing, weak, late=True):
    """Boxes (centre, size, score) of each sample. Whoever is gone for a while comes back strong."""
    place = rng.uniform(100, 900, (count, 2))
    velocity = rng.normal(0, speed, (count, 2))
    size = np.stack([rng.uniform(40, 80, count), rng.uniform(100, 200, count)], 1)
    born = np.where(late & (np.arange(count) % 3 == 0), rng.integers(1, samples // 2, count), 0)
    gone = np.zeros(count, int)
    scenes = []
    for sample in range(samples):
        boxes = []
        for i in range(count):
            outside = (place[i] < 80) | (place[i] > 920)
            velocity[i][outside] = -np.sign(place[i][outside] - 500) * abs(velocity[i][outside])
            place[i] += velocity[i] * frames_per_sample
            size[i] *= 1 + rng.normal(0, 0.01, 2)
            if sample < born[i]:
                continue
            if gone[i] == 0 and rng.random() < missing and sample > born[i] + 3:
                gone[i] = rng.integers(1, 4)
            if gone[i] > 0:
                gone[i] -= 1
                if gone[i] > 0:
                    continue
                score = 0.9
            else:
                score = rng.uniform(0.15, 0.45) if sample > born[i] + 3 and rng.random() < weak else 0.9
            noise = rng.normal(0, 0.01, 4) * np.tile(size[i], 2)
            boxes.append((*(place[i] + noise[:2]), *(size[i] + noise[2:]), score))
        scenes.append(boxes)
    return scenes


def tracks(name, boxes_of_samples, frames_per_sample, out):
    lost_samples = 6
    tracker = SlowTracker(
        SimpleNamespace(
            track_high_thresh=0.5,
            track_low_thresh=0.1,
            new_track_thresh=0.5,
            track_buffer=lost_samples,
            match_thresh=0.8,
            fuse_score=False,
        ),
        frames_per_sample,
    )
    print("scene", name, frames_per_sample / FRAMES_PER_SECOND, lost_samples + 1, file=out)
    for boxes in boxes_of_samples:
        # What the file says, the tracker sees.
        rows = np.round(np.asarray(boxes, np.float64).reshape(-1, 5), 3)
        ids = np.zeros(len(rows), int)
        for row in tracker.update(Boxes(rows[:, :4], rows[:, 4])):
            ids[int(row[7])] = int(row[4])
        print("sample", len(rows), file=out)
        for (x, y, width, height, score), track in zip(rows, ids, strict=True):
            place = " ".join(f"{value / SIDE_PX:.6f}" for value in (x, y, width, height))
            print(place, f"{score:.3f}", track, file=out)


def kalman(rng, out):
    """Measurement and seen or not, then the state: 4 places, 4 velocities, 4 + 4 + 4 (co)variances."""
    published = KalmanFilterXYAH()
    for frames_per_sample in (1, 10):
        measured = np.array([300.0, 500.0, 0.5, 160.0])
        print("sequence", frames_per_sample / FRAMES_PER_SECOND, file=out)
        mean, covariance, lost = None, None, False
        for sample in range(24):
            measured = measured + np.array([6 + rng.normal(), rng.normal(), rng.normal() * 0.01, 2 + rng.normal()])
            seen = sample == 0 or sample % 7 not in (3, 4)
            if mean is None:
                mean, covariance = published.initiate(measured)
            else:
                if lost:
                    mean[7] = 0
                for _ in range(frames_per_sample):
                    mean, covariance = published.predict(mean, covariance)
                if seen:
                    mean, covariance = published.update(mean, covariance, measured)
            lost = not seen
            unit = np.array([SIDE_PX, SIDE_PX, 1, SIDE_PX])
            rate = FRAMES_PER_SECOND
            numbers = [
                *measured / unit,
                int(seen),
                *mean[:4] / unit,
                *mean[4:] / unit * rate,
                *np.diag(covariance)[:4] / unit**2,
                *np.diag(covariance[:4, 4:]) / unit**2 * rate,
                *np.diag(covariance)[4:] / unit**2 * rate**2,
            ]
            print(*(f"{number:.10g}" for number in numbers), file=out)


def main():
    rng = np.random.default_rng(7)
    with open(FOLDER / "kalman_golden.txt", "w") as out:
        kalman(rng, out)
    with open(FOLDER / "byte_track_golden.txt", "w") as out:
        tracks("every_frame", walkers(rng, 8, 90, 1, 4, 0.05, 0.1), 1, out)
        tracks("five_a_second", walkers(rng, 6, 60, 6, 2, 0.06, 0.1), 6, out)
        tracks("three_a_second", walkers(rng, 5, 60, 10, 1, 0.06, 0.1), 10, out)
        # Nobody comes late: the published tracker lets lost tracks take the second box of a new one, ours does not.
        tracks("crowd", walkers(rng, 40, 20, 6, 1, 0.05, 0.1, late=False), 6, out)


if __name__ == "__main__":
    main()
