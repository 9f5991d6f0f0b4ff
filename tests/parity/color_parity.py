# SPDX-License-Identifier: Apache-2.0
"""Holds color_analysis against scikit-image and scikit-learn on the same frames.

The statistics must be those of skimage.color.rgb2lab and rgb2hsv over all pixels. The palette must be as tight as the
best that scikit-learn's KMeans finds on the exact pixels. Colour by colour it is held against the nearest of KMeans'
near-best answers: k-means often has several that are equally tight and differ. A tolerance remains because the analyzer
clusters cells of a histogram, and its colours are rounded to eight bits.

Needs ffmpeg, the built lightweight_probe, and the packages of scripts/requirements/parity.txt (see
`make parity`).
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys

import cv2
import numpy as np
from skimage import color
from sklearn.cluster import KMeans

import photographs

# Statistics are sums in double precision over single-precision conversions.
STATISTICS_TOLERANCE = 2e-4
TEMPERATURE_TOLERANCE_KELVIN = 5
# Starts of KMeans, and how much less tight than the best one an answer may be to count as near-best.
STARTS = 40
NEAR_BEST = 1.02
# Palette: mean CIEDE2000 between matched colours, weighted by share; half the sum of share differences; and how much
# larger than scikit-learn's the mean squared distance of the pixels to their colour may be.
DELTA_E_TOLERANCE = 1.5
SHARE_TOLERANCE = 0.03
INERTIA_TOLERANCE = 1.03
COLORS = 6
# The analyzer merges clusters nearer than this and leaves smaller ones out.
MERGE_DELTA_E = 6
MIN_SHARE = 0.01


def to_frame(photo: np.ndarray) -> np.ndarray:
    """At most 160 pixels, even sides, as the orchestrator sends it."""
    scale = min(1, 160 / max(photo.shape[:2]))
    size = [max(2, round(side * scale / 2) * 2) for side in (photo.shape[1], photo.shape[0])]
    return cv2.resize(photo, size, interpolation=cv2.INTER_AREA)


def analyze(frames: list[np.ndarray], probe: pathlib.Path) -> dict:
    """All frames are sampled: two a second."""
    height, width = frames[0].shape[:2]
    command = [probe, "--analyzer", "color_analysis", "--width", str(width), "--height", str(height), "--fps", "2"]
    raw = b"".join(frame.tobytes() for frame in frames)
    done = subprocess.run(command, input=raw, capture_output=True, check=True, timeout=300)
    return json.loads(done.stdout)["typed"]


def mccamy(frames: np.ndarray) -> float:
    """Of the mean linear colour; independent of the analyzer's own arithmetic up to the published formula."""
    xyz = color.rgb2xyz(frames.reshape(-1, 1, 3)).reshape(-1, 3).mean(axis=0)
    x, y = xyz[:2] / xyz.sum()
    n = (x - 0.3320) / (0.1858 - y)
    return 449 * n**3 + 3525 * n**2 + 6823.3 * n + 5520.33


def merge(centers: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the analyzer does after k-means, written anew."""
    centers, shares = list(centers), list(shares)
    while len(centers) > 1:
        distances = [
            (color.deltaE_ciede2000(centers[i], centers[j]), i, j)
            for i in range(len(centers))
            for j in range(i + 1, len(centers))
        ]
        distance, i, j = min(distances)
        if distance >= MERGE_DELTA_E:
            break
        centers[i] = (centers[i] * shares[i] + centers[j] * shares[j]) / (shares[i] + shares[j])
        shares[i] += shares[j]
        del centers[j], shares[j]
    keep = [k for k in range(len(shares)) if shares[k] >= MIN_SHARE or shares[k] == max(shares)]
    return np.array([centers[k] for k in keep]), np.array([shares[k] for k in keep])


def inertia(pixels: np.ndarray, centers: np.ndarray) -> float:
    return float(np.mean(np.min(((pixels[:, None, :] - centers[None]) ** 2).sum(axis=2), axis=1)))


def from_hex(text: str) -> np.ndarray:
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)


def compare(name: str, frames: list[np.ndarray], probe: pathlib.Path) -> tuple[list[str], tuple[float, float, float]]:
    """Failures of one set of frames, and mean delta E, share difference and inertia ratio."""
    result = analyze(frames, probe)
    pixels = np.concatenate([frame.reshape(-1, 3) for frame in frames])
    lab = color.rgb2lab(pixels[:, None]).reshape(-1, 3)
    saturation = color.rgb2hsv(pixels[:, None])[..., 1].mean()
    failures = []
    expected = {"brightness": lab[:, 0].mean() / 100, "contrast": lab[:, 0].std() / 100, "saturation": saturation}
    for key, value in expected.items():
        if abs(result[key] - value) > STATISTICS_TOLERANCE:
            failures.append(f"{name}: {key} {result[key]:.5f}, scikit-image {value:.5f}")
    kelvin = result.get("temperatureKelvin")
    if kelvin is not None and abs(kelvin - mccamy(pixels)) > TEMPERATURE_TOLERANCE_KELVIN:
        failures.append(f"{name}: temperature {kelvin:.0f}, expected {mccamy(pixels):.0f}")

    answers = [KMeans(n_clusters=COLORS, n_init=1, random_state=seed).fit(lab) for seed in range(STARTS)]
    best = min(answer.inertia_ for answer in answers)
    ours = color.rgb2lab(np.array([from_hex(item["hex"]) for item in result["dominantColors"]])[:, None]).reshape(-1, 3)
    our_shares = np.array([item["share"] for item in result["dominantColors"]])
    distances = []
    for answer in answers:
        if answer.inertia_ <= NEAR_BEST * best:
            shares = np.bincount(answer.labels_, minlength=COLORS) / len(lab)
            distances.append(palette_distance(ours, our_shares, *merge(answer.cluster_centers_, shares)))
    # Where colours were merged, the same is done to the best answer.
    first = next(answer for answer in answers if answer.inertia_ == best)
    theirs, _ = merge(first.cluster_centers_, np.bincount(first.labels_, minlength=COLORS) / len(lab))
    ratio = inertia(lab, ours) / max(inertia(lab, theirs), 1e-9) if len(ours) == len(theirs) else math.nan
    return failures, (*min(distances), ratio)


def palette_distance(ours, our_shares, theirs, their_shares) -> tuple[float, float]:
    """Mean colour difference of the palettes and half the sum of the differences of shares."""
    # The least work to turn one palette into the other: each share goes to the nearest colours first.
    cost = np.array([[color.deltaE_ciede2000(one, other) for other in theirs] for one in ours])
    left, right, work, moved = our_shares.copy(), their_shares.copy(), 0.0, 0.0
    for i, j in sorted(np.ndindex(*cost.shape), key=lambda pair: cost[pair]):
        amount = min(left[i], right[j])
        work += amount * cost[i, j]
        moved += amount
        left[i] -= amount
        right[j] -= amount
    nearest = cost.argmin(axis=1)
    matched = np.array([our_shares[nearest == j].sum() for j in range(len(theirs))])
    return work / max(moved, 1e-9), float(np.abs(matched - their_shares).sum() / 2)


def decode(video: pathlib.Path) -> list[np.ndarray]:
    """Two frames a second of a clip."""
    probe = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height", "-of", "csv=p=0"]
    width, height = map(int, subprocess.check_output([*probe, str(video)], text=True).strip().split(",")[:2])
    size = to_frame(np.zeros((height, width, 3), np.uint8)).shape
    command = ["ffmpeg", "-v", "error", "-i", str(video), "-vf", f"fps=2,scale={size[1]}:{size[0]}:flags=area"]
    raw = subprocess.check_output([*command, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"])
    return list(np.frombuffer(raw, np.uint8).reshape(-1, *size))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", type=pathlib.Path, default=pathlib.Path("build/release/bin/lightweight_probe"))
    parser.add_argument("--photos", type=pathlib.Path, nargs="*", default=[], help="more photographs")
    parser.add_argument("--video", type=pathlib.Path, nargs="*", help="clips; default: those of .deps/media")
    arguments = parser.parse_args()
    photos = photographs.load(arguments.photos, color=True)
    sets = {f"photo {index}": [to_frame(photo)] for index, photo in enumerate(photos)}
    square = [cv2.resize(photo, (160, 120), interpolation=cv2.INTER_AREA) for photo in photos]
    sets["all photos"] = square
    videos = arguments.video or sorted(pathlib.Path(".deps/media").glob("*.mp4"))
    sets.update({video.name: decode(video) for video in videos})
    failures, rows = [], []
    for name, frames in sets.items():
        found, row = compare(name, frames, arguments.probe)
        failures += found
        rows.append(row)
        print(f"{name:22} frames {len(frames):3}  delta E {row[0]:4.2f}  shares {row[1]:.3f}  inertia {row[2]:.3f}")
    delta_e, shares, _ = np.mean(np.array(rows), axis=0)
    ratio = np.nanmax(np.array(rows)[:, 2])
    print(f"mean delta E {delta_e:.2f} (at most {DELTA_E_TOLERANCE}), of shares {shares:.3f} ({SHARE_TOLERANCE})")
    print(f"worst inertia, as a ratio to scikit-learn's best, {ratio:.3f} (at most {INERTIA_TOLERANCE})")
    print("\n".join(failures) if failures else "statistics agree")
    passed = not failures and delta_e <= DELTA_E_TOLERANCE and shares <= SHARE_TOLERANCE and ratio <= INERTIA_TOLERANCE
    print("passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
