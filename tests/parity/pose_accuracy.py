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

# Least mean OKS as it is, and with refine_joints.
MIN_MEAN = 0.86
MIN_MEAN_REFINED = 0.91
# What none of the marked people may fall below.
MIN_OKS = 0.7

# COCO's standard deviations of the markers, by joint, in COCO's order.
SIGMAS = {
    "nose": 0.026,
    "left_eye": 0.025,
    "right_eye": 0.025,
    "left_ear": 0.035,
    "right_ear": 0.035,
    "left_shoulder": 0.079,
    "right_shoulder": 0.079,
    "left_elbow": 0.072,
    "right_elbow": 0.072,
    "left_wrist": 0.062,
    "right_wrist": 0.062,
    "left_hip": 0.107,
    "right_hip": 0.107,
    "left_knee": 0.087,
    "right_knee": 0.087,
    "left_ankle": 0.089,
    "right_ankle": 0.089,
}
NAMES = list(SIGMAS)
# Share of the box that a body fills, as usual where there are no outlines.
FILL = 0.53
# Least IoU of a person without marked joints with its pose.
MIN_IOU = 0.5

# Picture: box and joints in its pixels.
PEOPLE = {
    "bus.jpg": [
        (
            (45, 395, 240, 905),
            dict(
                nose=(141, 445), right_eye=(132, 435), left_eye=(148, 437), right_ear=(108, 441),
                right_shoulder=(82, 492), left_shoulder=(170, 492), right_elbow=(80, 570), left_elbow=(190, 565),
                right_hip=(100, 640), left_hip=(155, 640), right_knee=(91, 765), left_knee=(170, 765),
                right_ankle=(74, 851), left_ankle=(188, 857),
            ),
        ),
        (
            (222, 405, 345, 860),
            dict(
                nose=(296, 452), right_eye=(284, 444), left_eye=(303, 444), right_ear=(268, 447),
                right_shoulder=(252, 495), left_shoulder=(320, 490), left_elbow=(336, 558), left_wrist=(286, 528),
                right_elbow=(247, 590), right_wrist=(274, 641), right_hip=(262, 620), left_hip=(303, 620),
                right_knee=(260, 743), left_knee=(330, 718), right_ankle=(265, 821), left_ankle=(284, 791),
            ),
        ),
        ((668, 390, 810, 880), {}),
    ],
    "zidane.jpg": [
        (
            (95, 200, 1150, 720),
            dict(
                nose=(656, 360), right_eye=(623, 325), right_ear=(523, 328), right_shoulder=(300, 350),
                left_shoulder=(650, 415), right_elbow=(200, 600), left_elbow=(775, 480), left_wrist=(965, 470),
            ),
        ),
        (
            (745, 40, 1140, 720),
            dict(
                nose=(995, 203), right_eye=(968, 168), left_eye=(1024, 169), right_ear=(903, 172),
                right_shoulder=(821, 319), left_shoulder=(1050, 340),
            ),
        ),
    ],
    "bikes.mp4": [
        (
            (350, 5, 492, 272),
            dict(
                nose=(436, 41), right_eye=(428, 33), left_eye=(437, 33), right_ear=(416, 37), right_shoulder=(400, 58),
                left_shoulder=(456, 57), right_elbow=(386, 102), right_wrist=(357, 107), left_elbow=(472, 98),
                left_wrist=(477, 132), right_hip=(415, 135), left_hip=(452, 132), right_knee=(425, 184),
                left_knee=(480, 160), right_ankle=(421, 258), left_ankle=(458, 224),
            ),
        ),
    ],
    "carphone_pristine.mp4": [
        (
            (28, 13, 176, 144),
            dict(
                nose=(85, 66), right_eye=(68, 61), left_eye=(90, 55), left_ear=(109, 66), right_shoulder=(39, 124),
                left_shoulder=(149, 101),
            ),
        ),
    ],
}  # fmt: skip
# Which frame of a clip.
FRAMES = {"bikes.mp4": 124, "carphone_pristine.mp4": 29}


def read(name: str) -> np.ndarray:
    """BGR."""
    return photographs.frame(name, FRAMES[name]) if name in FRAMES else photographs.asset(name)


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


def overlap(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0, width) * max(0, height)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def similarity(box, marked: dict, joints: np.ndarray) -> float:
    """Object keypoint similarity over the marked joints."""
    area = FILL * (box[2] - box[0]) * (box[3] - box[1])
    rates = []
    for name, place in marked.items():
        squared = ((joints[NAMES.index(name), :2] - place) ** 2).sum()
        rates.append(np.exp(-squared / (2 * area * (2 * SIGMAS[name]) ** 2)))
    return float(np.mean(rates))


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
        print(f"  {name:22} {len(found)} found  {'  '.join(line)}")
    print(f"  mean OKS {np.mean(rates):.3f}")
    return rates, failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=pathlib.Path("build/release/bin/reelsight"))
    parser.add_argument("--mediapipe", action="store_true", help="MediaPipe beside it (needs mediapipe==0.10.21)")
    arguments = parser.parse_args()
    pictures = {name: read(name) for name in PEOPLE}
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
