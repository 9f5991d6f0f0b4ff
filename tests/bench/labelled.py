# SPDX-License-Identifier: Apache-2.0
"""Pictures and frames whose right answers are known: repeatable views of what is marked by hand
(tests/parity/marked.py), lines of text written on pictures, and shots of the sample clips one behind the other.

Needs the sample clips, and the packages scikit-image and ultralytics for their photographs. Runs in the venv of
bench-models.txt.
"""

import functools
import random
import sys
from pathlib import Path

import cv2
import numpy as np

from metrics import marks_in_view, person_in_view, placed
from recipe import frames

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/parity"), str(ROOT / "tests/bench/cuts")]

import photographs  # noqa: E402
from marked import FACES, OBJECTS, PEOPLE  # noqa: E402
from pieces import VIDEO_SHOTS  # noqa: E402

MEDIA = ROOT / ".deps/media"
CLIPS = ["bikes", "bigbuckbunny", "carphone_pristine"]
LEAST_SIDE_PX = 120
TEXTS = [
    "Summer sale",
    "50% off today",
    "Follow for more",
    "Part 2 of 7",
    "What happened next?",
    "Link in bio @reelsight",
    "Wait for it",
    "Day 31: 12.5 km run",
    "Shop now & save $20",
    "Recipe below",
    "Music by J. Brown",
    "New video every Friday",
]
# Frames of bikes.mp4 with signs and plates that can be read.
SIGNS = range(30, 137)
PIECE_FRAMES, CUT_SIDES = 15, (48, 27)


def views(picture, count, seed, cut=0.12, mirror=True):
    """The picture and `count` - 1 random views of it, and how places go into each: a matrix of two rows.

    A view is cut by up to `cut` of each side, shrunk to no less than half, perhaps mirrored, of another brightness and
    contrast, and a JPEG of some quality. The same seed makes the same views.
    """
    yield picture, np.array([[1.0, 0, 0], [0, 1.0, 0]])
    random_numbers = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    for _ in range(count - 1):
        left, right, top, bottom = (random_numbers.uniform(0, cut, 4) * (width, width, height, height)).astype(int)
        part = picture[top : height - bottom, left : width - right]
        scale = min(1, max(random_numbers.uniform(0.5, 1), LEAST_SIDE_PX / min(part.shape[:2])))
        size = round(part.shape[1] * scale), round(part.shape[0] * scale)
        view = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        x, y = size[0] / part.shape[1], size[1] / part.shape[0]
        matrix = np.array([[x, 0, -left * x], [0, y, -top * y]])
        if random_numbers.random() < 0.5 and mirror:
            view = view[:, ::-1]
            matrix[0] = [-x, 0, size[0] + left * x]
        gamma, contrast = random_numbers.uniform(0.7, 1.4), random_numbers.uniform(0.8, 1.2)
        view = np.clip(255 * (view / 255.0) ** gamma * contrast, 0, 255).astype(np.uint8)
        quality = int(random_numbers.uniform(35, 95))
        packed = cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        yield cv2.imdecode(packed, cv2.IMREAD_COLOR), matrix


def size_of(picture):
    return picture.shape[1], picture.shape[0]


@functools.cache
def objects(count):
    """(view, marks) of the marked objects."""
    return [
        (view, marks_in_view(marks, matrix, size_of(view)))
        for seed, (name, marks) in enumerate(OBJECTS.items())
        for view, matrix in views(photographs.named(name), count, seed)
    ]


@functools.cache
def faces(count):
    """(view, marks) of the marked faces."""
    found = []
    for seed, (name, ((left, top, right, bottom), marks)) in enumerate(FACES.items()):
        part = photographs.named(name)[top:bottom, left:right]
        moved = [(label, tuple(np.subtract(box, (left, top, left, top)))) for label, box in marks]
        for view, matrix in views(part, count, 200 + seed):
            found.append((view, marks_in_view(moved, matrix, size_of(view))))
    return found


@functools.cache
def people(count):
    """(view, its people) of the people with marked joints."""
    found = []
    for seed, (name, marked) in enumerate(PEOPLE.items()):
        for view, matrix in views(photographs.named(name), count, 100 + seed):
            found.append((view, [person_in_view(box, joints, matrix, size_of(view)) for box, joints in marked]))
    return found


def sample(fps, odd, signs=True):
    """Pictures of the even or the odd seconds of the clips: each whole, and its left and its mirrored right part.
    Without `signs`, those that hold text by themselves are left out."""
    for name in CLIPS:
        path = str(MEDIA / f"{name}.mp4")
        native = cv2.VideoCapture(path).get(cv2.CAP_PROP_FPS)
        for i, picture in enumerate(frames(path, fps, 960)):
            if int(i / fps) % 2 != odd or (not signs and name == "bikes" and int(i / fps * native) in SIGNS):
                continue
            part = picture.shape[1] * 3 // 5
            yield picture
            yield np.ascontiguousarray(picture[:, :part])
            yield np.ascontiguousarray(picture[:, ::-1][:, :part])


def write(picture, number):
    """(the picture with a line of text, the text, the box of the line, (word, box) of its words)."""
    copy, text, font = picture.copy(), TEXTS[number % len(TEXTS)], cv2.FONT_HERSHEY_DUPLEX
    scale = max(picture.shape[:2]) / 640 * (0.7 + 0.2 * (number % 4))
    scale *= min(1, (picture.shape[1] - 8) / cv2.getTextSize(text, font, scale, 2)[0][0])
    (width, height), below = cv2.getTextSize(text, font, scale, 2)
    left = max(0, min(10 + 17 * (number % 5), copy.shape[1] - width - 4))
    bottom = min(copy.shape[0] - below - 6, height + 30 + 41 * (number % 6))
    for colour, thick in (((0, 0, 0), 5), ((255, 255, 255), 2)):
        cv2.putText(copy, text, (left, bottom), font, scale, colour, thick, cv2.LINE_AA)

    def box(start, end):
        """Of the characters from `start` to `end`, with a little room."""
        first, last = (cv2.getTextSize(text[:k], font, scale, 2)[0][0] if k else 0 for k in (start, end))
        return left + first - 4, bottom - height - 4, left + last + 4, bottom + below + 4

    words, at = [], 0
    for word in text.split(" "):
        words.append((word, box(at, at + len(word))))
        at += len(word) + 1
    return copy, text, box(0, len(text)), words


@functools.cache
def texts(fps, count):
    """(view, text, box of the line, boxes of its words) on pictures of the even seconds that hold no other text."""
    found = []
    for number, picture in enumerate(sample(fps, False, signs=False)):
        copy, text, line, words = write(picture, number)
        for view, matrix in views(copy, count, 1000 + number, cut=0, mirror=False):
            size = size_of(view)
            found.append((view, text, placed(matrix, line, size)[0], [placed(matrix, b, size)[0] for _, b in words]))
    return found


def line_picture(view, box):
    left, top, right, bottom = (round(side) for side in box)
    return view[top:bottom, left:right]


@functools.cache
def cuts(orders):
    """(frames as TransNet V2 takes them, cuts, doubtful cuts) for each order: pieces of single shots, shuffled, every
    other one mirrored. A cut is the first frame behind it. Where two pieces are of one shot, the cut is doubtful."""
    pieces = []
    for name, first, end in sorted({shot for shots in VIDEO_SHOTS.values() for shot in shots}):
        small = [cv2.resize(p, CUT_SIDES)[:, :, ::-1] for p in frames(str(MEDIA / name), 0)][first:end]
        pieces += [((name, first), np.stack(small[at : at + PIECE_FRAMES]))
                   for at in range(0, len(small) - PIECE_FRAMES + 1, PIECE_FRAMES)]  # fmt: skip
    found = []
    for seed in range(orders):
        order = pieces.copy()
        random.Random(seed).shuffle(order)
        row = np.concatenate([piece[:, :, ::-1] if i % 2 else piece for i, (_, piece) in enumerate(order)])
        sure, doubtful = [], []
        for i in range(1, len(order)):
            (doubtful if order[i][0] == order[i - 1][0] else sure).append(i * PIECE_FRAMES)
        found.append((np.ascontiguousarray(row), sure, doubtful))
    return found
