# SPDX-License-Identifier: Apache-2.0
"""The metrics of tasks: answers held against labels. Plain numbers, no models; needs no package but numpy.

A mark is (label, box) in pixels, a detection (box, score, label). A mark `?` is a doubtful area: nothing must be found
there, and what lies over it is neither right nor wrong.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "parity"))

from marked import inside, overlap, similarity

LEAST_OVERLAP = 0.5
# Less of a thing than this in the picture, and it is doubtful; it is none at all below the second share.
WHOLE, NOTHING = 0.7, 0.05


def placed(matrix, box, size):
    """A box of a picture in a view of it of `size` (width, height): (box cut at the edges, share that is left)."""
    corners = np.array([[*box[:2], 1], [*box[2:], 1]]) @ np.asarray(matrix).T
    low, high = corners.min(axis=0), corners.max(axis=0)
    cut_low, cut_high = np.clip(low, 0, size), np.clip(high, 0, size)
    share = np.prod(cut_high - cut_low) / max(np.prod(high - low), 1e-9)
    return (*cut_low.tolist(), *cut_high.tolist()), float(share)


def marks_in_view(marks, matrix, size):
    """The marks of a picture in a view of it."""
    found = []
    for label, box in marks:
        place, share = placed(matrix, box, size)
        if share > NOTHING:
            found.append((label if share >= WHOLE else "?", place))
    return found


def other_side(joint):
    side, _, part = joint.partition("_")
    return {"left": f"right_{part}", "right": f"left_{part}"}.get(side, joint)


def person_in_view(box, joints, matrix, size):
    """(box, {joint: place}) in a view, the box whole although the view may cut it. A joint outside the view is not
    marked; a person of whom too little is left has no marked joints."""
    _, share = placed(matrix, box, size)
    corners = np.array([[*box[:2], 1], [*box[2:], 1]]) @ np.asarray(matrix).T
    mirrored = matrix[0][0] < 0
    places = {}
    for name, place in joints.items():
        x, y = np.asarray(matrix) @ (*place, 1)
        if 0 <= x < size[0] and 0 <= y < size[1]:
            places[other_side(name) if mirrored else name] = (float(x), float(y))
    return (*corners.min(axis=0), *corners.max(axis=0)), places if share >= WHOLE else {}


def judged(marks, detections):
    """(score, right) of the detections of one picture, strongest first; those over doubtful areas are left out. Each
    mark is found once."""
    left = [mark for mark in marks if mark[0] != "?"]
    doubtful = [box for label, box in marks if label == "?"]
    verdicts = []
    for box, score, label in sorted(detections, key=lambda one: -one[1]):
        best = max((mark for mark in left if mark[0] == label), key=lambda mark: overlap(mark[1], box), default=None)
        if best is not None and overlap(best[1], box) >= LEAST_OVERLAP:
            left.remove(best)
            verdicts.append((score, True))
        elif not any(inside(box, area) for area in doubtful):
            verdicts.append((score, False))
    return verdicts


def marked_count(pictures):
    return sum(label != "?" for marks in pictures for label, _ in marks)


def area_under_curve(verdicts, total):
    """Area under precision over recall; precision as COCO takes it, the best at this recall or a higher one."""
    ranked = sorted(verdicts, key=lambda one: -one[0])
    hits = np.array([right for _, right in ranked], bool)
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(precision[hits].sum() / max(1, total))


def average_precision(pictures, answers):
    """Of the detections of all pictures together."""
    verdicts = [one for marks, found in zip(pictures, answers, strict=True) for one in judged(marks, found)]
    return area_under_curve(verdicts, marked_count(pictures))


def f1_of_boxes(pictures, answers, least_score=0.0):
    hits = found = 0
    for marks, detections in zip(pictures, answers, strict=True):
        verdicts = judged(marks, [one for one in detections if one[1] >= least_score])
        hits, found = hits + sum(right for _, right in verdicts), found + len(verdicts)
    return 2 * hits / max(1, found + marked_count(pictures))


def mean_similarity(pictures, answers, least_score):
    """Mean OKS of the marked people. `pictures`: of each its people as (box, {joint: place}); `answers`: of each its
    poses as (joints, score).

    A pose belongs to one person; a person without a pose over `least_score` counts 0. One whose joints are not marked
    takes the pose that covers the box, and does not count.
    """
    rates = []
    for people, poses in zip(pictures, answers, strict=True):
        sure = [joints for joints, score in poses if score >= least_score]
        pairs = []
        for i, (box, marked) in enumerate(people):
            for k, joints in enumerate(sure):
                bounds = (*joints[:, :2].min(axis=0), *joints[:, :2].max(axis=0))
                pairs.append((similarity(box, marked, joints) if marked else overlap(bounds, box), i, k))
        taken, best = set(), {}
        for value, i, k in sorted(pairs, reverse=True):
            if i not in best and k not in taken:
                best[i] = value
                taken.add(k)
        rates += [best.get(i, 0.0) for i, (_, marked) in enumerate(people) if marked]
    return float(np.mean(rates))


def edits(text, other):
    """Levenshtein's distance."""
    row = list(range(len(other) + 1))
    for i, one in enumerate(text, 1):
        above, row = row, [i]
        for k, two in enumerate(other, 1):
            row.append(min(above[k] + 1, row[k - 1] + 1, above[k - 1] + (one != two)))
    return row[-1]


def characters_right(texts, answers):
    """1 less the character error rate."""
    wrong = sum(edits(text, answer) for text, answer in zip(texts, answers, strict=True))
    return 1 - wrong / sum(map(len, texts))


def peaks(probabilities, threshold):
    """The most likely frame of each run of frames over the threshold."""
    over = np.concatenate([[False], np.asarray(probabilities) > threshold, [False]])
    changes = np.flatnonzero(over[1:] != over[:-1])
    return [int(a + np.argmax(probabilities[a:b])) for a, b in zip(changes[::2], changes[1::2], strict=True)]


def count_cuts(cuts, doubtful, found, tolerance=2):
    """(right, found, asked for): frames found within the tolerance of a cut; near a doubtful one they do not count."""
    left, right, wrong = list(cuts), 0, 0
    for frame in found:
        near = [cut for cut in left if abs(cut - frame) <= tolerance]
        if near:
            left.remove(min(near, key=lambda cut: abs(cut - frame)))
            right += 1
        elif not any(abs(cut - frame) <= tolerance for cut in doubtful):
            wrong += 1
    return right, right + wrong, len(cuts)
