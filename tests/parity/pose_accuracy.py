# SPDX-License-Identifier: Apache-2.0
"""Holds body_pose against people whose joints were marked by hand.

Two photographs and two frames of clips, seven people, 66 joints that can be seen or whose place is plain. A person
counts as found by the nearest pose; its joints are rated by COCO's object keypoint similarity (OKS) over the marked
ones. The person at the edge of bus.jpg has no marked joints and must be found only. --mediapipe prints what MediaPipe's
own pose pipeline finds in the same pictures.

Needs ffmpeg, the built reelsight with the models of body_pose, the clips of scripts/setup, and the packages of
scripts/requirements/parity.txt (see `make parity`).
"""

import argparse
import pathlib
import sys

import cv2
import numpy as np

import photographs
from marked import PEOPLE, overlap, similarity

# Least mean OKS as it is, and with refine_joints.
MIN_MEAN = 0.86
MIN_MEAN_REFINED = 0.91
# What none of the marked people may fall below.
MIN_OKS = 0.7

# Least IoU of a person without marked joints with its pose.
MIN_IOU = 0.5


def analyze(picture: np.ndarray, program: pathlib.Path, refine: bool) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Score, box and joints (x, y, score) of each person, in pixels."""
    height, width = picture.shape[:2]
    result = photographs.analyze(picture, program, "body_pose", f"refine_joints={str(refine).lower()}")
    size = np.array([width, height])
    people = []
    for track in result["bodyPose"].get("tracks", []):
        for seen in track["observations"]:
            box = np.array([seen["box"].get(side, 0) for side in ("left", "top", "right", "bottom")])
            joints = np.array([[joint.get(key, 0) for key in ("x", "y", "score")] for joint in seen["keypoints"]])
            joints[:, :2] *= size
            people.append((seen["score"], box * np.tile(size, 2), joints))
    return people


def mediapipe_pose(picture: np.ndarray) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """The one person that MediaPipe's pipeline finds."""
    import mediapipe

    height, width = picture.shape[:2]
    with mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1) as pose:
        found = pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).pose_landmarks
    if found is None:
        return []
    # COCO's joints among MediaPipe's 33.
    marks = [found.landmark[i] for i in (0, 2, 5, 7, 8, *range(11, 17), *range(23, 29))]
    joints = np.array([(mark.x * width, mark.y * height, mark.visibility) for mark in marks])
    box = np.concatenate([joints[:, :2].min(axis=0), joints[:, :2].max(axis=0)])
    return [(1.0, box, joints)]


def rate(pictures: dict, find) -> tuple[list[float], list[str]]:
    """OKS of each marked person, and what went wrong."""
    rates, failures = [], []
    for name, picture in pictures.items():
        found = find(picture)
        line = []
        for box, marked in PEOPLE[name]:
            if not marked:
                best = max((overlap(box, pose[1]) for pose in found), default=0)
                line.append(f"IoU {best:.2f}")
                if best < MIN_IOU:
                    failures.append(f"{name}: the person in {box} is not found")
                continue
            rates.append(max((similarity(box, marked, pose[2]) for pose in found), default=0))
            line.append(f"OKS {rates[-1]:.3f}")
            if rates[-1] < MIN_OKS:
                failures.append(f"{name}: the person in {box} has an OKS of {rates[-1]:.3f}")
        if len(found) > len(PEOPLE[name]):
            failures.append(f"{name}: {len(found)} people instead of {len(PEOPLE[name])}")
        print(f"  {name:31} {len(found)} found  {'  '.join(line)}")
    print(f"  mean OKS {np.mean(rates):.3f}")
    return rates, failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=pathlib.Path("build/release/bin/reelsight"))
    parser.add_argument("--mediapipe", action="store_true", help="MediaPipe beside it (needs mediapipe==0.10.21)")
    arguments = parser.parse_args()
    pictures = {name: photographs.named(name) for name in PEOPLE}
    failures = []
    for refine, least in ((False, MIN_MEAN), (True, MIN_MEAN_REFINED)):
        print(f"body_pose, refine_joints={str(refine).lower()}")
        rates, wrong = rate(pictures, lambda picture, refine=refine: analyze(picture, arguments.program, refine))
        failures += wrong
        if np.mean(rates) < least:
            failures.append(f"mean OKS {np.mean(rates):.3f} is below {least}")
    if arguments.mediapipe:
        print("MediaPipe pose")
        rate(pictures, mediapipe_pose)
    print("\n".join(failures) if failures else "passed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
