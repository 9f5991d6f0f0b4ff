# SPDX-License-Identifier: Apache-2.0
"""Builds the labelled set of transitions and hard negatives out of real pieces.

    python make_set.py OUT [--cache CACHE] [--seed 7]

OUT/tune and OUT/test get clips, and OUT/labels.json what is in them: `start` is the first frame that is no longer the
old shot (or the blank) alone, `end` the first that is the new shot (or the blank) alone; both are equal for a cut.
"""

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np

import pieces
from shots import Shot

SIZES = ((320, 180), (320, 180), (180, 320), (240, 240), (320, 136))
NEGATIVES = {
    "flashes": ("any", ("flashes",)),
    "whip_pans": ("whip", ()),
    "shake": ("shake", ()),
    "texts": ("any", ("texts",)),
    "objects": ("any", ("objects",)),
    "zooms": ("crash_zoom", ()),
    "exposure": ("any", ("exposure",)),
    "mixed": ("handheld", ("one_object", "texts", "exposure")),
}
CLIPS = {
    "tune": {"transitions": 16, "montages": 2, "negatives": 2},
    "test": {"transitions": 16, "montages": 2, "negatives": 4},
}
NEGATIVE_SECONDS = 20


class Clip:
    """Frames go in one after the other; labels on the side."""

    def __init__(self, path: Path, rng):
        self.path, self.rng = path, rng
        self.size = SIZES[int(rng.integers(0, len(SIZES)))]
        self.fps = int(rng.choice([24, 25, 25, 30]))
        self.frames, self.transitions = 0, []
        command = [
            "ffmpeg",
            "-v",
            "error",
            "-y",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "bgr24",
            "-s",
            f"{self.size[0]}x{self.size[1]}",
        ]
        command += ["-r", str(self.fps), "-i", "-", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1"]
        command += ["-crf", str(int(rng.integers(22, 31))), "-pix_fmt", "yuv420p", str(path)]
        self.encoder = subprocess.Popen(command, stdin=subprocess.PIPE)

    def write(self, frame: np.ndarray):
        self.encoder.stdin.write(np.clip(frame + 0.5, 0, 255).astype(np.uint8).tobytes())
        self.frames += 1

    def label(self, kind, length):
        """A transition of `length` blended frames begins with the next frame."""
        self.transitions.append({"kind": kind, "start": self.frames, "end": self.frames + length})

    def close(self, split, group, kind):
        self.encoder.stdin.close()
        if self.encoder.wait() != 0:
            raise RuntimeError(f"ffmpeg failed on {self.path}")
        return {
            "file": f"{split}/{self.path.name}",
            "split": split,
            "group": group,
            "kind": kind,
            "fps": self.fps,
            "width": self.size[0],
            "height": self.size[1],
            "frames": self.frames,
            "transitions": self.transitions,
        }


def ramp(rng, length):
    """Shares of the new picture in the blended frames of a transition."""
    share = np.arange(1, length + 1) / (length + 1)
    return share * share * (3 - 2 * share) if rng.random() < 0.2 else share


def pick(rng, all_pieces, last):
    while True:
        piece = all_pieces[int(rng.integers(0, len(all_pieces)))]
        if piece is not last or (rng.random() < 0.15 and len(piece.pictures) == 1):
            return piece


def make_transitions(rng, path, split, all_pieces):
    """Shots of 1.2 to 3.6 s; between them cuts, dissolves and fades through a blank, mixed."""
    clip = Clip(path, rng)
    plan = ["cut"] * 4 + ["dissolve"] * 3 + ["fade"] * 3
    rng.shuffle(plan)
    edges = rng.random(2) < 0.3
    lengths = [int(rng.uniform(0.25, 1.8) * clip.fps) for _ in range(2 * len(plan) + 2)]
    last = None
    pending = None  # frames of the running shot that the transition into it has used
    if edges[0]:
        pending = ("fade_in", lengths.pop(), np.zeros(3), int(rng.integers(2, 15)))
    for i in range(len(plan) + 1):
        piece = pick(rng, all_pieces, last)
        last = piece
        body = int(rng.uniform(1.2, 3.6) * clip.fps)
        lead = pending[1] if pending else 0
        after = plan[i] if i < len(plan) else ("fade_end" if edges[1] else "end")
        tail = lengths.pop() if after in ("dissolve", "fade", "fade_end") else 0
        event = str(rng.choice(["", "", "", "one_flash", "one_text", "one_object"]))
        shot = Shot(rng, piece, all_pieces, clip.size, clip.fps, lead + body + tail, events=(event,) if event else ())
        if pending and pending[0] == "dissolve":
            _, length, previous, _ = pending
            clip.label("dissolve", length)
            for k, share in enumerate(ramp(rng, length)):
                clip.write(previous.render(previous.count - length + k) * (1 - share) + shot.render(k) * share)
        elif pending:
            _, length, blank, hold = pending
            for _ in range(hold):
                clip.write(np.broadcast_to(blank, (clip.size[1], clip.size[0], 3)))
            clip.label("fade_in", length)
            for k, share in enumerate(ramp(rng, length)):
                clip.write(blank * (1 - share) + shot.render(k) * share)
        for k in range(lead, lead + body):
            clip.write(shot.render(k))
        pending = None
        if after == "cut":
            clip.label("cut", 0)
        elif after == "dissolve":
            pending = ("dissolve", tail, shot, 0)
        elif after in ("fade", "fade_end"):
            blank = np.full(3, 255.0 if rng.random() < 0.2 else 0.0)
            clip.label("fade_out", tail)
            for k, share in enumerate(ramp(rng, tail)):
                clip.write(shot.render(lead + body + k) * (1 - share) + blank * share)
            if after == "fade_end":
                for _ in range(int(rng.integers(2, 15))):
                    clip.write(np.broadcast_to(blank, (clip.size[1], clip.size[0], 3)))
            else:
                pending = ("fade_in", lengths.pop(), blank, int(rng.integers(1, 15)))
    return clip.close(split, "transitions", "mixed")


def make_montage(rng, path, split, all_pieces):
    """25 shots of 0.3 to 1 s with hard cuts only."""
    clip = Clip(path, rng)
    last = None
    for i in range(25):
        last = pick(rng, all_pieces, last)
        shot = Shot(rng, last, all_pieces, clip.size, clip.fps, int(rng.uniform(0.3, 1.0) * clip.fps))
        if i > 0:
            clip.label("cut", 0)
        for k in range(shot.count):
            clip.write(shot.render(k))
    return clip.close(split, "transitions", "montage")


def make_negative(rng, path, split, all_pieces, kind):
    clip = Clip(path, rng)
    motion, events = NEGATIVES[kind]
    last = pick(rng, all_pieces, None)
    shot = Shot(rng, last, all_pieces, clip.size, clip.fps, NEGATIVE_SECONDS * clip.fps, motion, events)
    for k in range(shot.count):
        clip.write(shot.render(k))
    return clip.close(split, "negatives", kind)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".cache/cuts"))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--split", choices=["tune", "test"], help="only this one")
    flags = parser.parse_args()
    root = pieces.fetch(flags.cache.resolve())
    clips = []
    for number, split in enumerate(("tune", "test")):
        if flags.split not in (None, split):
            continue
        (flags.out / split).mkdir(parents=True, exist_ok=True)
        all_pieces = pieces.load(root, split)

        def rng(index, number=number):
            return np.random.default_rng([flags.seed, number, index])

        counts = CLIPS[split]
        for i in range(counts["transitions"]):
            clips.append(make_transitions(rng(i), flags.out / split / f"transitions_{i:02}.mp4", split, all_pieces))
        for i in range(counts["montages"]):
            clips.append(make_montage(rng(100 + i), flags.out / split / f"montage_{i:02}.mp4", split, all_pieces))
        for k, kind in enumerate(NEGATIVES):
            for i in range(counts["negatives"]):
                path = flags.out / split / f"{kind}_{i:02}.mp4"
                clips.append(make_negative(rng(200 + 10 * k + i), path, split, all_pieces, kind))
    (flags.out / "labels.json").write_text(json.dumps({"seed": flags.seed, "clips": clips}, indent=1))
    seconds = {
        group: sum(c["frames"] / c["fps"] for c in clips if c["group"] == group)
        for group in ("transitions", "negatives")
    }
    print(f"{len(clips)} clips, {seconds['transitions']:.0f} s with transitions, {seconds['negatives']:.0f} s without")


if __name__ == "__main__":
    main()
