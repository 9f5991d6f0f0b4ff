# SPDX-License-Identifier: Apache-2.0
"""What was marked by hand on the packaged photographs and the sample clips, and how well an answer agrees with a mark.

Boxes are left, top, right, bottom; all places are pixels of the picture. Needs no package but numpy.
"""

import numpy as np

# Picture: its label and box of each object, in its pixels. `?`: doubtful, or too small to ask for.
OBJECTS = {
    "bus.jpg": [
        ("bus", (17, 231, 802, 768)), ("person", (48, 399, 245, 903)), ("person", (222, 405, 345, 860)),
        ("person", (669, 392, 810, 877)), ("?", (0, 550, 68, 876)),
    ],
    "zidane.jpg": [
        ("person", (743, 41, 1148, 712)), ("person", (116, 196, 1003, 711)), ("tie", (437, 434, 527, 717)),
        ("?", (983, 309, 1027, 460)),
    ],
    "astronaut.png": [("person", (20, 14, 365, 512)), ("?", (275, 330, 512, 512)), ("?", (340, 0, 470, 280))],
    "chelsea.png": [("cat", (0, 0, 401, 300))],
    "coffee.png": [("cup", (173, 18, 412, 276)), ("?", (75, 60, 480, 390)), ("?", (0, 0, 600, 400))],
    "motorcycle_left.png": [
        ("motorcycle", (92, 74, 685, 452)), ("?", (45, 100, 290, 300)), ("?", (330, 0, 741, 300)),
    ],
    "bikes.mp4, frame 25": [("car", (519, 0, 640, 70)), ("?", (200, 0, 470, 272))],
    "bikes.mp4, frame 83": [("car", (0, 42, 318, 272)), ("?", (300, 0, 640, 272)), ("?", (0, 0, 640, 60))],
    "bikes.mp4, frame 175": [
        ("bicycle", (118, 28, 313, 272)), ("car", (376, 107, 446, 163)), ("car", (524, 101, 605, 161)),
        ("car", (0, 102, 68, 132)), ("?", (150, 100, 376, 135)), ("?", (440, 95, 640, 165)), ("?", (60, 0, 100, 160)),
    ],
    "bikes.mp4, frame 225": [("bicycle", (267, 2, 530, 213)), ("?", (160, 95, 270, 272)), ("?", (270, 50, 345, 140))],
    "carphone_pristine.mp4, frame 30": [("person", (20, 10, 165, 144))],
}  # fmt: skip

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
    "bikes.mp4, frame 124": [
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
    "carphone_pristine.mp4, frame 29": [
        (
            (28, 13, 176, 144),
            dict(
                nose=(85, 66), right_eye=(68, 61), left_eye=(90, 55), left_ear=(109, 66), right_shoulder=(39, 124),
                left_shoulder=(149, 101),
            ),
        ),
    ],
}  # fmt: skip

# Picture: the part of it to look at, and the faces in it, from the brow to the chin. The last two show none.
FACES = {
    "bus.jpg": ((60, 380, 380, 700), [("face", (118, 418, 158, 472)), ("face", (267, 420, 306, 473))]),
    "zidane.jpg": ((0, 0, 1280, 720), [("face", (548, 235, 662, 452)), ("face", (912, 112, 1056, 288))]),
    "astronaut.png": ((0, 0, 512, 512), [("face", (176, 82, 270, 187))]),
    "bikes.mp4, frame 124": ((340, 0, 520, 140), [("face", (413, 27, 438, 54))]),
    "carphone_pristine.mp4, frame 0": ((0, 0, 176, 144), [("face", (64, 42, 109, 98))]),
    "carphone_pristine.mp4, frame 30": ((0, 0, 176, 144), [("face", (59, 39, 105, 97))]),
    "carphone_pristine.mp4, frame 60": ((0, 0, 176, 144), [("face", (55, 39, 100, 98))]),
    "carphone_pristine.mp4, frame 90": ((0, 0, 176, 144), [("face", (40, 38, 85, 99))]),
    "carphone_pristine.mp4, frame 110": ((0, 0, 176, 144), [("face", (42, 38, 90, 99))]),
    "bikes.mp4, frame 200": ((0, 0, 640, 272), []),
    "bikes.mp4, frame 150": ((0, 0, 640, 272), []),
}  # fmt: skip


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


def inside(box, doubtful):
    """Most of the box lies over what is doubtful."""
    width, height = (
        min(box[2], doubtful[2]) - max(box[0], doubtful[0]),
        min(box[3], doubtful[3]) - max(box[1], doubtful[1]),
    )
    return max(0, width) * max(0, height) > 0.7 * (box[2] - box[0]) * (box[3] - box[1])
