# SPDX-License-Identifier: Apache-2.0
"""What a model of each family is held to when its precision changes: its task's metric against labels, where there are
labels, else float32's own answers. See precision.py; runs in the venv of bench-models.txt.

Each task has `metric` and `unit`, the `count` of these, `answers(session)`, and `lost(exact, other)`: the share of the
metric that the other answers lose against the exact ones, and in words what else is known. Tasks with labels also have
`score(answers)`.
"""

import functools

import cv2
import numpy as np

import labelled
import metrics
import recipe_models as models

# Views of each picture or text.
VIEWS, TEXT_VIEWS, LINE_VIEWS, CRAFT_VIEWS, CUT_ORDERS = 60, 3, 6, 2, 6
# CRAFT is slow: every how many texts are enough. Not a divisor of the number of texts, so that all are among them.
CRAFT_STRIDE = 11
# From where the catalogue reports people and cuts.
LEAST_PERSON_SCORE, LEAST_CUT_PROBABILITY = 0.2, 0.5


class Labelled:
    """Against labels. Agreement with float32 is a detail."""

    def lost(self, exact, other):
        return 1 - self.score(other) / max(self.score(exact), 1e-9), self.detail(exact, other)


def as_marks(answers, least_score):
    return [[(label, tuple(box)) for box, score, label in found if score >= least_score] for found in answers]


class Boxes(Labelled):
    """Average precision, or F1, of boxes. `find`: (box, score, label) of what a session sees in a picture."""

    def __init__(self, pictures, find, unit, least_score=None):
        self.pictures, self.find, self.unit, self.least_score = pictures, find, unit, least_score
        self.marks = [marks for _, marks in pictures]
        self.count = metrics.marked_count(self.marks)
        self.metric = "average precision (IoU 0.5)" if least_score else "F1 (IoU 0.5)"

    def answers(self, session):
        return [self.find(session, picture) for picture, _ in self.pictures]

    def score(self, answers):
        if self.least_score:
            return metrics.average_precision(self.marks, answers)
        return metrics.f1_of_boxes(self.marks, answers)

    def detail(self, exact, other):
        least = self.least_score or 0
        same = metrics.f1_of_boxes(as_marks(exact, least), other, least)
        own = f"F1 {metrics.f1_of_boxes(self.marks, other, least):.3f}; " if self.least_score else ""
        return f"{own}with float32 {same:.3f}"


def objects(model, views):
    names, detect = model["labels"], models.DETECTORS[model["family"]]

    def find(session, picture):
        size = np.tile(labelled.size_of(picture), 2)
        return [(box * size, score, names[label]) for box, score, label in detect(session, picture, 0.05)]

    return Boxes(labelled.objects(views or VIEWS), find, "objects", models.LEAST_SCORES[model["family"]])


def faces(model, views):
    def find(session, picture):
        return [(box, score, "face") for box, _, score in models.find_faces(session, model["family"], picture)]

    return Boxes(labelled.faces(views or VIEWS), find, "faces")


def text_lines(_model, views):
    def find(session, picture):
        boxes = models.text_boxes(session, picture)
        return [((*box.min(axis=0), *box.max(axis=0)), 1.0, "text") for box in boxes]

    seen = labelled.texts(6, views or TEXT_VIEWS)
    return Boxes([(view, [("text", line)]) for view, _, line, _ in seen], find, "lines of text")


def words(session, picture):
    """CRAFT, with EasyOCR's thresholds and its growth of the boxes."""
    mean, scale = np.array([123.675, 116.28, 103.53]), 1 / np.array([58.395, 57.12, 57.375])
    width, height = labelled.size_of(picture)
    filled = cv2.copyMakeBorder(picture, 0, -height % 32, 0, -width % 32, cv2.BORDER_CONSTANT)
    text, link = session.run(models.to_tensor(filled, mean, scale))[0][0]
    is_text, is_link = text > 0.4, link > 0.4
    count, labels, stats, _ = cv2.connectedComponentsWithStats((is_text | is_link).astype(np.uint8), connectivity=4)
    found = []
    for k in range(1, count):
        across, down, area = (int(value) for value in stats[k][2:])
        if area < 10 or text[labels == k].max() < 0.7:
            continue
        rows, columns = np.nonzero((labels == k) & (is_text | ~is_link))
        grown = int(np.sqrt(area * min(across, down) / (across * down)) * 2) / 2
        sides = (columns.min() - grown, rows.min() - grown, columns.max() + 1 + grown, rows.max() + 1 + grown)
        found.append((tuple(2 * float(side) for side in sides), 1.0, "text"))
    return found


def craft_words(_model, views):
    seen = labelled.texts(6, views or CRAFT_VIEWS)[::CRAFT_STRIDE]
    return Boxes([(view, [("text", box) for box in boxes]) for view, _, _, boxes in seen], words, "words")


class People(Labelled):
    metric, unit = "mean OKS", "people"

    def __init__(self, _model, views):
        self.pictures = labelled.people(views or VIEWS)
        self.people = [people for _, people in self.pictures]
        self.count = sum(bool(joints) for people in self.people for _, joints in people)

    def answers(self, session):
        return [models.find_poses(session, picture, LEAST_PERSON_SCORE) for picture, _ in self.pictures]

    def score(self, answers):
        return metrics.mean_similarity(self.people, answers, LEAST_PERSON_SCORE)

    def detail(self, exact, other):
        counts = [sum(map(len, answers)) for answers in (exact, other)]
        return f"{counts[1]} poses, float32 {counts[0]}"


class Texts(Labelled):
    """Lines of text whose places are given. `read`: the text of each line, of a session."""

    metric, unit = "characters right", "characters"

    def __init__(self, read, views):
        seen = labelled.texts(6, views or LINE_VIEWS)
        self.read, self.texts = read, [text for _, text, _, _ in seen]
        self.lines = [labelled.line_picture(view, box) for view, _, box, _ in seen]
        self.count = sum(map(len, self.texts))

    def answers(self, session):
        return self.read(session, self.lines)

    def score(self, answers):
        return metrics.characters_right(self.texts, answers)

    def detail(self, exact, other):
        same = sum(one == two for one, two in zip(exact, other, strict=True)) / len(exact)
        return f"{100 * same:.1f}% of {len(exact)} lines as float32"


def ppocr_lines(model, views):
    alphabet = models.characters(model["path"])
    return Texts(lambda session, lines: [text for text, _ in models.read_lines(session, alphabet, lines)], views)


def crnn_lines(model, views):
    def read(session, lines):
        texts = []
        for picture in lines:
            line = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
            line = cv2.resize(line, (max(64, round(line.shape[1] * 64 / line.shape[0])), 64))
            best = session.run((line.astype(np.float32) / 127.5 - 1)[None, None])[0][0].argmax(axis=1)
            kept = best[(best != 0) & (best != np.concatenate([[-1], best[:-1]]))]
            texts.append("".join(model["labels"][k - 1] for k in kept))
        return texts

    return Texts(read, views)


class Cuts(Labelled):
    metric, unit = "F1 of cuts (within 2 frames)", "cuts"

    def __init__(self, _model, views):
        self.rows = labelled.cuts(1 if views else CUT_ORDERS)
        self.count = sum(len(sure) for _, sure, _ in self.rows)

    def answers(self, session):
        return [models.cut_probabilities(session, row) for row, _, _ in self.rows]

    def score(self, answers):
        counts = [
            metrics.count_cuts(sure, doubtful, metrics.peaks(found, LEAST_CUT_PROBABILITY))
            for (_, sure, doubtful), found in zip(self.rows, answers, strict=True)
        ]
        right, found, asked = np.sum(counts, axis=0)
        return 2 * right / (found + asked)

    def detail(self, exact, other):
        differences = np.abs(np.concatenate(exact) - np.concatenate(other))
        return f"probabilities differ by {differences.mean():.4f} in the mean, {differences.max():.3f} at most"


# Without labels.


@functools.cache
def pictures(smoke):
    return list(labelled.sample(0.5 if smoke else 6, False))


@functools.cache
def found_faces(path, family, smoke):
    """(picture, face) by a face detector in float32."""
    session = models.Session(path, "openvino")
    return [(p, f) for p in pictures(smoke) for f in models.find_faces(session, family, p)]


class Mesh:
    metric, unit = "no labels; mean distance from float32's points / distance of the eyes", "faces"

    def __init__(self, model, views):
        # The full-range detector, which finds the smaller faces, too.
        detectors = {one["family"]: one["path"] for one in model["catalogue"].values() if "blazeface" in one["family"]}
        family = min(detectors)
        self.faces = found_faces(detectors[family], family, bool(views))
        self.count = len(self.faces)

    def answers(self, session):
        return [models.face_mesh(session, picture, face)[0] for picture, face in self.faces]

    def lost(self, exact, other):
        widths = [np.linalg.norm(face[1][0] - face[1][1]) for _, face in self.faces]
        errors = [np.linalg.norm(a - b, axis=1).mean() / w for a, b, w in zip(exact, other, widths, strict=True)]
        return float(np.mean(errors)), ""


class Iris:
    metric, unit = "no labels; mean distance from float32's points / width of the eye", "eyes"

    def __init__(self, model, views):
        mesh = next(one for one in model["catalogue"].values() if one["family"] == "mediapipe_face_mesh")
        session = models.Session(mesh["path"], "openvino")
        found = Mesh(model, views).faces
        self.eyes = [(p, models.face_mesh(session, p, face)[0], eye) for p, face in found for eye in ("right", "left")]
        self.count = len(self.eyes)

    def answers(self, session):
        return [models.iris(session, *eye)[0] for eye in self.eyes]

    def lost(self, exact, other):
        # Against the width of an eye, which is what gaze is made of.
        widths = [np.linalg.norm(np.subtract(*(points[i] for i in models.EYE_CORNERS[eye])))
                  for _, points, eye in self.eyes]  # fmt: skip
        errors = [np.linalg.norm(a - b, axis=1).mean() / w for a, b, w in zip(exact, other, widths, strict=True)]
        return float(np.mean(errors)), ""


class Matte:
    metric, unit = "no labels; IoU with float32's pixels of people", "pictures"

    def __init__(self, model, views):
        self.family = model["family"]
        self.pictures = pictures(bool(views))[:: 4 if self.family == "rvm" else 2]
        self.count = len(self.pictures)

    def answers(self, session):
        return [models.person_matte(session, self.family, picture) for picture in self.pictures]

    def lost(self, exact, other):
        pairs = [(a > 0.5, b > 0.5) for a, b in zip(exact, other, strict=True)]
        common, either = sum(int((a & b).sum()) for a, b in pairs), sum(int((a | b).sum()) for a, b in pairs)
        difference = np.mean([np.abs(a - b).mean() for a, b in zip(exact, other, strict=True)])
        return 1 - common / max(1, either), f"mean difference {difference:.4f}"


# Family to what makes its task of (catalogue entry, views of each picture: 0 for the usual number).
TASKS = {
    "ssd": objects, "nanodet": objects, "centernet": objects, "movenet_multipose": People,
    "blazeface_short_range": faces, "blazeface_full_range": faces, "ppocr_det": text_lines, "craft": craft_words,
    "ppocr_rec": ppocr_lines, "crnn": crnn_lines, "transnetv2": Cuts,
    "mediapipe_face_mesh": Mesh, "mediapipe_iris": Iris, "rvm": Matte, "selfie": Matte,
}  # fmt: skip
