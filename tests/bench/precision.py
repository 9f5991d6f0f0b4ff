# SPDX-License-Identifier: Apache-2.0
"""What models lose and gain by bfloat16 and by INT8: each on the same real pictures, on OpenVINO.

The float32 answers are the truth. Reads {model: {path, family}} as JSON from standard input; prints a list of rows as
JSON: `loss` is a share, `speed` the processor time of float32 over that of the other. INT8 files are made here by
models/quantize. The pictures are of the even seconds of the sample clips: whole, and two parts of each, one of them
mirrored; those that INT8 is calibrated on are of the odd seconds. Runs in the venv of bench-models.txt.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

import recipe_models as models
from recipe import frames

ROOT = Path(__file__).resolve().parents[2]
MEDIA = ROOT / ".deps/media"
QUANTIZER = ROOT / ".deps/quantize/bin/python"
CLIPS = ["bikes", "bigbuckbunny", "carphone_pristine"]
WORDS = [
    "Summer sale",
    "50% off today",
    "Follow for more",
    "Part 2 of 7",
    "What happened next?",
    "Link in bio @reelsight",
]
# COCO's constants of the 17 joints, for object keypoint similarity.
JOINT_SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000


def iou(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = np.prod(np.clip(high - low, 0, None))
    return common / max(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common, 1e-9)


def matches(truth, found, similarity, least):
    """Pairs of one-to-one matches, most similar first."""
    pairs = sorted(
        ((similarity(a, b), i, j) for i, a in enumerate(truth) for j, b in enumerate(found)),
        key=lambda pair: -pair[0],
    )
    used_a, used_b, kept = set(), set(), []
    for value, i, j in pairs:
        if value >= least and i not in used_a and j not in used_b:
            used_a.add(i)
            used_b.add(j)
            kept.append((truth[i], found[j], value))
    return kept


class Result:
    """What a model loses in one precision: by which metric, on how many of what."""

    def __init__(self, metric, unit, count, loss, detail=""):
        self.metric, self.unit, self.count = metric, unit, int(count)
        self.loss, self.detail = float(loss), detail


class Agreement:
    """Matches of many pictures: F1, and the mean of the similarity of what matches."""

    def __init__(self, similarity, least):
        self.similarity, self.least = similarity, least
        self.truths = self.founds = 0
        self.values = []

    def add(self, truth, found):
        self.truths += len(truth)
        self.founds += len(found)
        self.values += [value for _, _, value in matches(truth, found, self.similarity, self.least)]

    def f1(self):
        return 2 * len(self.values) / max(1, self.truths + self.founds)

    def mean(self):
        return float(np.mean(self.values)) if self.values else 0.0


def average_precision(truths, founds, similarity, least):
    """Area under the curve of precision over recall, of all pictures together, strongest answers first; precision as
    COCO takes it, the best at this recall or a higher one."""
    ranked = []
    for truth, found in zip(truths, founds, strict=True):
        hits = {id(b) for _, b, _ in matches(truth, found, similarity, least)}
        ranked += [(one[1], id(one) in hits) for one in found]
    ranked.sort(key=lambda one: -one[0])
    right = np.cumsum([hit for _, hit in ranked])
    precision = np.maximum.accumulate((right / np.arange(1, len(ranked) + 1))[::-1])[::-1]
    return float(precision[[hit for _, hit in ranked]].sum() / max(1, sum(map(len, truths))))


def compare_detector(family, pair, pictures):
    """What float32 finds at the working threshold is the truth; the other answers with all that it finds. Beside it
    stands the F1 of what both find at the threshold, which also counts scores that cross it by little."""
    detect, least = models.DETECTORS[family], models.LEAST_SCORES[family]

    def same(a, b):
        return iou(a[0], b[0]) if a[2] == b[2] else 0

    truths = [detect(pair[0], picture) for picture in pictures]
    founds = [detect(pair[1], picture, 0.05) for picture in pictures]
    at_threshold = Agreement(same, 0.5)
    for truth, found in zip(truths, founds, strict=True):
        at_threshold.add(truth, [one for one in found if one[1] >= least])
    value, count = average_precision(truths, founds, same, 0.5), at_threshold.truths
    return Result("average precision (IoU 0.5)", "boxes", count, 1 - value, f"F1 {at_threshold.f1():.3f}")


def keypoint_similarity(a, b):
    joints, others = a[0], b[0]
    seen = joints[:, 2] > 0.2
    if not seen.any():
        return 0.0
    size = np.prod(np.ptp(joints[seen, :2], axis=0)) + 1e-6
    squares = ((joints[:, :2] - others[:, :2]) ** 2).sum(axis=1)
    return float(np.exp(-squares / (2 * size * (2 * JOINT_SIGMAS) ** 2))[seen].mean())


def compare_pose(_family, pair, pictures):
    agreement = Agreement(keypoint_similarity, 0.5)
    for picture in pictures:
        agreement.add(*(models.find_poses(session, picture) for session in pair))
    value = agreement.f1() * agreement.mean()
    metric = "F1 of people x mean keypoint similarity"
    return Result(metric, "people", agreement.truths, 1 - value, f"F1 {agreement.f1():.3f}")


def compare_faces(family, pair, pictures):
    agreement = Agreement(lambda a, b: iou(a[0], b[0]), 0.5)
    for picture in pictures:
        agreement.add(*(models.find_faces(session, family, picture) for session in pair))
    return Result("F1 of faces", "faces", agreement.truths, 1 - agreement.f1(), f"mean IoU {agreement.mean():.3f}")


def faces_of(catalogue, pictures):
    """(picture, face) by the face detector that is there, in float32."""
    for model in catalogue.values():
        if model["family"].startswith("blazeface"):
            session = models.Session(model["path"], "openvino")
            return [(p, f) for p in pictures for f in models.find_faces(session, model["family"], p)]
    return []


def eye_distance(face):
    return np.linalg.norm(face[1][0] - face[1][1])


def compare_mesh(_family, pair, faces):
    errors = []
    for picture, face in faces:
        a, b = (models.face_mesh(session, picture, face)[0] for session in pair)
        errors.append(np.linalg.norm(a - b, axis=1).mean() / eye_distance(face))
    return Result("mean distance of points / distance of the eyes", "faces", len(faces), np.mean(errors))


def compare_iris(catalogue, pair, faces):
    mesh = next(model for model in catalogue.values() if model["family"] == "mediapipe_face_mesh")
    mesh_session = models.Session(mesh["path"], "openvino")
    errors = []
    for picture, face in faces:
        points, _ = models.face_mesh(mesh_session, picture, face)
        for eye in ("right", "left"):
            a, b = (models.iris(session, picture, points, eye)[0] for session in pair)
            # Errors against the width of an eye, which is what gaze is made of.
            width = np.linalg.norm(np.subtract(*(points[i] for i in models.EYE_CORNERS[eye])))
            errors.append(np.linalg.norm(a - b, axis=1).mean() / width)
    return Result("mean distance of the iris's points / width of the eye", "eyes", len(errors), np.mean(errors))


def compare_matte(family, pair, pictures):
    differences, common, either = [], 0, 0
    for picture in pictures:
        a, b = (models.person_matte(session, family, picture) for session in pair)
        differences.append(np.abs(a - b).mean())
        common += int(((a > 0.5) & (b > 0.5)).sum())
        either += int(((a > 0.5) | (b > 0.5)).sum())
    detail = f"mean difference {np.mean(differences):.4f}"
    return Result("IoU of person's pixels", "pictures", len(pictures), 1 - common / max(1, either), detail)


def compare_cuts(_family, pair, _pictures):
    """Pieces of 15 frames of all clips in three orders that are always the same, every other one mirrored."""
    pieces = []
    for name in CLIPS:
        small = np.stack(
            [cv2.resize(picture, (48, 27))[:, :, ::-1] for picture in frames(str(MEDIA / f"{name}.mp4"), 0)]
        )
        pieces += [small[at : at + 15] for at in range(0, len(small) - 14, 15)]
    found = ([], [])
    for seed in range(3):
        random.Random(seed).shuffle(pieces)
        row = np.concatenate([piece[:, :, ::-1] if i % 2 else piece for i, piece in enumerate(pieces)])
        for session, probabilities in zip(pair, found, strict=True):
            probabilities.append(models.cut_probabilities(session, row))
    a, b = map(np.concatenate, found)
    both, either = int(((a > 0.5) & (b > 0.5)).sum()), int((a > 0.5).sum() + (b > 0.5).sum())
    differences = np.abs(a - b)
    detail = f"probabilities differ by {differences.mean():.4f} in the mean, {differences.max():.3f} at most"
    return Result("F1 of frames with a cut", "frames with one", (a > 0.5).sum(), 1 - 2 * both / max(1, either), detail)


def written(pictures):
    """Pictures with a line of text each, and where it stands: left, top, right, bottom."""
    found = []
    for i, picture in enumerate(pictures):
        copy, word = picture.copy(), WORDS[i % len(WORDS)]
        scale = max(picture.shape[:2]) / 640 * (0.7 + 0.2 * (i % 4))
        (width, height), below = cv2.getTextSize(word, cv2.FONT_HERSHEY_DUPLEX, scale, 2)
        left = max(0, min(10 + 17 * (i % 5), copy.shape[1] - width - 4))
        bottom = min(copy.shape[0] - below - 6, height + 30 + 41 * (i % 6))
        for colour, thick in (((0, 0, 0), 5), ((255, 255, 255), 2)):
            cv2.putText(copy, word, (left, bottom), cv2.FONT_HERSHEY_DUPLEX, scale, colour, thick, cv2.LINE_AA)
        found.append((copy, (left - 4, bottom - height - 4, left + width + 4, bottom + below + 4)))
    return found


def lines_of(pictures):
    """The lines of text that are written on the pictures."""
    return [picture[max(0, top) : bottom, max(0, left) : right]
            for picture, (left, top, right, bottom) in written(pictures)]  # fmt: skip


def compare_text_boxes(_family, pair, pictures):
    def bounds(corners):
        return np.concatenate([corners.min(axis=0), corners.max(axis=0)])

    agreement = Agreement(iou, 0.7)
    for picture, _ in written(pictures):
        agreement.add(*([bounds(box) for box in models.text_boxes(session, picture)] for session in pair))
    detail = f"mean IoU {agreement.mean():.3f}"
    return Result("F1 of boxes of text (IoU 0.7)", "boxes", agreement.truths, 1 - agreement.f1(), detail)


def compare_text(catalogue, pair, pictures):
    model = next(model for model in catalogue.values() if model["family"] == "ppocr_rec")
    alphabet = models.characters(model["path"])
    a, b = ([text for text, _ in models.read_lines(session, alphabet, lines_of(pictures))] for session in pair)
    return strings(a, b)


def strings(a, b):
    same = sum(one == other for one, other in zip(a, b, strict=True)) / len(a)
    return Result("identical strings", "lines", len(a), 1 - same)


def compare_crnn(_family, pair, pictures):
    answers = ([], [])
    for picture in lines_of(pictures):
        line = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        line = cv2.resize(line, (max(64, round(line.shape[1] * 64 / line.shape[0])), 64))
        for session, texts in zip(pair, answers, strict=True):
            best = session.run((line.astype(np.float32) / 127.5 - 1)[None, None])[0][0].argmax(axis=1)
            texts.append(tuple(best[(best != 0) & (best != np.concatenate([[-1], best[:-1]]))]))
    return strings(*answers)


def compare_craft(_family, pair, pictures):
    mean, scale = np.array([123.675, 116.28, 103.53]), 1 / np.array([58.395, 57.12, 57.375])
    common = either = 0
    for picture, _ in written(pictures):
        height, width = (max(32, side // 32 * 32) for side in picture.shape[:2])
        tensor = models.to_tensor(cv2.resize(picture, (width, height)), mean, scale)
        # EasyOCR's thresholds of letters and links.
        a, b = ((session.run(tensor)[0][0] > np.array([0.4, 0.4])[:, None, None]).any(axis=0) for session in pair)
        common, either = common + int((a & b).sum()), either + int((a | b).sum())
    return Result("IoU of pixels of text", "pictures", len(pictures), 1 - common / max(1, either))


COMPARE = {
    "ssd": compare_detector, "nanodet": compare_detector, "centernet": compare_detector,
    "movenet_multipose": compare_pose, "blazeface_short_range": compare_faces, "blazeface_full_range": compare_faces,
    "mediapipe_face_mesh": compare_mesh, "mediapipe_iris": compare_iris, "rvm": compare_matte, "selfie": compare_matte,
    "transnetv2": compare_cuts, "ppocr_det": compare_text_boxes, "ppocr_rec": compare_text, "craft": compare_craft,
    "crnn": compare_crnn,
}  # fmt: skip
NEEDS_FACES, NEEDS_CATALOGUE = {"mediapipe_face_mesh", "mediapipe_iris"}, {"mediapipe_iris", "ppocr_rec"}


# Every how many pictures are enough for the slow ones, at the full number of pictures.
STRIDES = {"craft": 30, "ppocr_det": 3, "ppocr_rec": 2, "rvm": 4, "selfie": 2, "centernet": 2}
# Families that the quantizer can calibrate on whole pictures, on pictures with text, and on lines of text.
ON_PICTURES = {"ssd", "nanodet", "centernet", "movenet_multipose", "blazeface_short_range", "blazeface_full_range",
               "selfie"}  # fmt: skip
ON_TEXT, ON_LINES = {"ppocr_det", "craft"}, {"ppocr_rec", "crnn"}


class Timed(models.Session):
    """A session that adds up the processor time of its runs, and keeps the answers for a second time."""

    def __init__(self, path, precision, keep=False):
        super().__init__(path, "openvino", precision, threads=1)
        self.cpu_seconds, self.keep, self.kept, self.at = 0.0, keep, [], None

    def replay(self):
        self.at = 0

    def run(self, *inputs):
        if self.at is not None:
            self.at += 1
            return self.kept[self.at - 1]
        begin = time.process_time()
        outputs = super().run(*inputs)
        self.cpu_seconds += time.process_time() - begin
        if self.keep:
            self.kept.append(outputs)
        return outputs


def sample(fps, odd):
    """Pictures of the even or the odd seconds of the clips: each whole, and its left and its mirrored right part."""
    for name in CLIPS:
        for i, picture in enumerate(frames(str(MEDIA / f"{name}.mp4"), fps, 960)):
            if int(i / fps) % 2 == odd:
                part = picture.shape[1] * 3 // 5
                yield picture
                yield np.ascontiguousarray(picture[:, :part])
                yield np.ascontiguousarray(picture[:, ::-1][:, :part])


class Quantizer:
    """Makes INT8 files in a scratch folder; calibrates on the odd seconds."""

    def __init__(self, folder, program):
        self.folder, self.program = Path(folder), program
        pictures = list(sample(6, True))[::2]
        for kind, found in (("pictures", pictures), ("text", [picture for picture, _ in written(pictures)]),
                            ("lines", lines_of(pictures))):  # fmt: skip
            (self.folder / kind).mkdir()
            for i, picture in enumerate(found):
                cv2.imwrite(str(self.folder / kind / f"{i:03}.png"), picture)

    def make(self, name, family):
        """Path of the INT8 file; None where none can be made."""
        if family in ON_PICTURES | ON_TEXT | ON_LINES:
            kind = "text" if family in ON_TEXT else "lines" if family in ON_LINES else "pictures"
            calibration = [self.folder / kind]
        elif family == "transnetv2":
            # Windows of whole clips; what is measured are other orders of their pieces.
            calibration = [MEDIA / f"{clip}.mp4" for clip in CLIPS]
        else:
            return None
        path = self.folder / f"{name}_int8.onnx"
        samples = "8" if family == "craft" else "100"
        command = [QUANTIZER, ROOT / "models/quantize/quantize.py", name, *calibration, "--output", path]
        done = subprocess.run([*command, "--samples", samples, "--reelsight", self.program], check=False,
                              capture_output=True, text=True)  # fmt: skip
        if done.returncode != 0:
            # The last line says what is wrong.
            print(f"  {name} has no INT8 form: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr, flush=True)
            return None
        return str(path)


def measure(catalogue, name, int8, pictures, faces):
    """One row of a model."""
    family = catalogue[name]["family"]
    first = catalogue if family in NEEDS_CATALOGUE else family
    data = faces if family in NEEDS_FACES else pictures[:: STRIDES.get(family, 1)]
    path = catalogue[name]["path"]
    exact = Timed(path, "f32", keep=True)
    row = {"model": name, "results": {}}
    for precision, other in (("bf16", (path, "bf16")), ("int8", (int8, "f32") if int8 else None)):
        if other is None:
            continue
        session = Timed(*other)
        result = COMPARE[family](first, (exact, session), data)
        row.update(metric=result.metric, unit=result.unit, count=result.count)
        row["results"][precision] = {"loss": result.loss, "detail": result.detail,
                                     "speed": exact.cpu_seconds / session.cpu_seconds}  # fmt: skip
        exact.replay()
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fps", type=float, default=6, help="pictures a second of the sample clips")
    parser.add_argument("--reelsight", help="the program, for the quantizer; without it there is no INT8")
    options = parser.parse_args()
    catalogue = json.load(sys.stdin)
    pictures = list(sample(options.fps, False))
    faces, rows = faces_of(catalogue, pictures), []
    with tempfile.TemporaryDirectory(prefix="reelsight-int8-") as folder:
        quantizer = Quantizer(folder, options.reelsight) if options.reelsight and QUANTIZER.exists() else None
        if quantizer is None:
            print("  INT8 is left out: no quantizer; run: scripts/setup quantize", file=sys.stderr)
        for name, model in sorted(catalogue.items()):
            if model["family"] in COMPARE:
                int8 = quantizer.make(name, model["family"]) if quantizer else None
                rows.append(measure(catalogue, name, int8, pictures, faces))
                print(rows[-1], file=sys.stderr, flush=True)
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
