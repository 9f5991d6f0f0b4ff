# SPDX-License-Identifier: Apache-2.0
"""Models in plain Python: how a picture becomes a tensor, and what the outputs say. On ONNX Runtime or OpenVINO.

Written after the published implementations, as a user of these models would write it: OpenCV and numpy. The recipe
(recipe.py) and the comparison of precisions (precision.py) are made of it. Runs in the venv of bench-models.txt.
"""

import math

import cv2
import numpy as np


class Session:
    """One model file on one library. Sides that the model leaves open are free from run to run."""

    def __init__(self, path, backend, precision="f32", threads=0):
        self.backend = backend
        if backend == "onnxruntime":
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.log_severity_level = 3
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            self.inputs = [one.name for one in self.session.get_inputs()]
            self.outputs = [one.name for one in self.session.get_outputs()]
        else:
            import openvino

            properties = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
            if threads:
                properties["INFERENCE_NUM_THREADS"] = threads
            core = openvino.Core()
            read = core.read_model(path)
            # As our engine does where only the batch is open: code for a fixed batch of 1 is faster.
            shapes = [port.get_partial_shape() for port in read.inputs]
            if all(shape[0].is_dynamic and all(side.is_static for side in list(shape)[1:]) for shape in shapes):
                read.reshape({i: [1, *(side.get_length() for side in list(s)[1:])] for i, s in enumerate(shapes)})
            model = core.compile_model(read, "CPU", properties)
            self.session = model.create_infer_request()
            self.inputs = [min(port.get_names()) for port in model.inputs]
            self.outputs = [min(port.get_names()) for port in model.outputs]

    def run(self, *inputs):
        """The outputs, in the model's order."""
        if self.backend == "onnxruntime":
            return self.session.run(None, dict(zip(self.inputs, inputs, strict=True)))
        self.session.infer(dict(enumerate(inputs)))
        return [np.array(self.session.get_output_tensor(i).data) for i in range(len(self.outputs))]


def to_tensor(picture, mean=0.0, scale=1.0, bgr=False):
    """A picture, BGR as OpenCV has it, as float32 of shape [1, 3, height, width]."""
    pixels = picture if bgr else picture[:, :, ::-1]
    tensor = (pixels.astype(np.float32) - np.float32(mean)) * np.float32(scale)
    return np.ascontiguousarray(tensor.transpose(2, 0, 1))[None]


def letterbox(picture, side):
    """The picture in the middle of a black square, and (scale, left, top)."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    square = np.zeros((side, side, 3), np.uint8)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    square[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size)
    return square, (scale, left, top)


def non_maximum_suppression(boxes, scores, max_iou):
    """Indexes of the boxes (left, top, right, bottom) that stay, strongest first."""
    order = np.argsort(-scores)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while order.size:
        first, rest = order[0], order[1:]
        kept.append(first)
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        common = np.prod(np.clip(high - low, 0, None), axis=1)
        order = rest[common <= max_iou * (areas[first] + areas[rest] - common)]
    return kept


def sigmoid(values):
    return 1 / (1 + np.exp(-np.clip(values, -80, 80)))


def softmax(values):
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def per_class(boxes, scores, min_score, max_iou):
    """(box, score, class) of all boxes over `min_score`, after suppression within each class."""
    found = []
    for label in np.flatnonzero((scores >= min_score).any(axis=0)):
        rows = np.flatnonzero(scores[:, label] >= min_score)
        for at in non_maximum_suppression(boxes[rows], scores[rows, label], max_iou):
            found.append((boxes[rows[at]], float(scores[rows[at], label]), int(label)))
    return found


# The least scores of the catalogue.
LEAST_SCORES = {"ssd": 0.5, "nanodet": 0.4, "centernet": 0.35}


def detect_ssd(session, picture, min_score=LEAST_SCORES["ssd"]):
    boxes, scores = session.run(to_tensor(cv2.resize(picture, (300, 300))))
    return per_class(np.clip(boxes[0], 0, 1), scores[0], min_score, 0.6)


def detect_nanodet(session, picture, min_score=LEAST_SCORES["nanodet"]):
    mean, scale = np.array([103.53, 116.28, 123.675]), 1 / np.array([57.375, 57.12, 58.395])
    outputs = session.run(to_tensor(cv2.resize(picture, (416, 416)), mean, scale, bgr=True))
    boxes, scores = [], []
    for level, stride in enumerate((8, 16, 32)):
        side = 416 // stride
        y, x = np.divmod(np.arange(side * side), side)
        centres = (np.stack([x, y], axis=1) + 0.5) * stride
        distances = softmax(outputs[level + 3][0].reshape(-1, 4, 11)) @ np.arange(11, dtype=np.float32) * stride
        boxes.append(np.concatenate([centres - distances[:, :2], centres + distances[:, 2:]], axis=1) / 416)
        scores.append(outputs[level][0])
    return per_class(np.clip(np.concatenate(boxes), 0, 1), np.concatenate(scores), min_score, 0.6)


def detect_centernet(session, picture, min_score=LEAST_SCORES["centernet"]):
    rows = session.run(to_tensor(cv2.resize(picture, (512, 512))))[0][0]
    return [(row[:4] / 512, float(row[4]), int(row[5])) for row in rows if row[4] >= min_score]


DETECTORS = {"ssd": detect_ssd, "nanodet": detect_nanodet, "centernet": detect_centernet}


def find_poses(session, picture, min_score=0.25):
    """MoveNet MultiPose: (17 joints as x, y in pixels of the picture and score, score of the person)."""
    square, (scale, left, top) = letterbox(picture, 256)
    poses = []
    for row in session.run(to_tensor(square))[0][0]:
        if row[55] >= min_score:
            joints = row[:51].reshape(17, 3)[:, [1, 0, 2]].copy()
            joints[:, :2] = (joints[:, :2] * 256 - (left, top)) / scale
            poses.append((joints, float(row[55])))
    return poses


def person_matte(session, family, picture):
    """The share of a person in each pixel of the picture, in [0, 1]."""
    height, width = picture.shape[:2]
    if family == "selfie":
        matte = session.run(to_tensor(cv2.resize(picture, (256, 256)), scale=1 / 255))[0][0, 0]
    else:
        # Robust Video Matting on single frames: the longer side 256, sides in steps of 16, no state.
        longest = max(height, width)
        w, h = (max(16, round(side * 256 / longest / 16) * 16) for side in (width, height))
        feeds = {"src": to_tensor(cv2.resize(picture, (w, h)), scale=1 / 255)}
        for i, channels in enumerate((16, 20, 40, 64)):
            feeds[f"r{i + 1}i"] = np.zeros((1, channels, h >> (i + 1), w >> (i + 1)), np.float32)
        outputs = session.run(*(feeds[name] for name in session.inputs))
        matte = outputs[session.outputs.index("pha")][0, 0]
    return cv2.resize(matte, (width, height))


def cut_probabilities(session, frames):
    """TransNetV2: frames uint8 [n, 27, 48, 3], RGB; the probability of a transition at each. As published: windows of a
    hundred frames of which the middle 50 count, the first and the last frame repeated."""
    count = len(frames)
    last = 25 + (50 - count % 50 if count % 50 else 0)
    padded = np.concatenate([frames[:1]] * 25 + [frames] + [frames[-1:]] * last)
    windows = [session.run(padded[at : at + 100][None])[0][0, 25:75] for at in range(0, len(padded) - 99, 50)]
    return np.concatenate(windows)[:count]


# Text: PP-OCR, after RapidOCR.


def text_boxes(session, picture):
    """Corners of the lines of text, [4, 2], clockwise from the top left."""
    height, width = picture.shape[:2]
    scale = min(1, 960 / max(height, width))
    w, h = (max(32, round(side * scale / 32) * 32) for side in (width, height))
    heat = session.run(to_tensor(cv2.resize(picture, (w, h)), 127.5, 1 / 127.5, bgr=True))[0][0, 0]
    contours, _ = cv2.findContours((heat > 0.3).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    boxes = []
    for contour in contours[:1000]:
        (x, y), (along, across), angle = cv2.minAreaRect(contour)
        if min(along, across) < 3:
            continue
        corners = cv2.boxPoints(((x, y), (along, across), angle))
        left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, (w - 1, h - 1))
        right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, (w - 1, h - 1))
        mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
        cv2.fillPoly(mask, [(corners - (left, top)).astype(np.int32)], 1)
        if cv2.mean(heat[top : bottom + 1, left : right + 1], mask)[0] < 0.5:
            continue
        # What a polygon's offset does to a rectangle.
        grown = along * across * 1.6 / (2 * (along + across)) * 2
        corners = cv2.boxPoints(((x, y), (along + grown, across + grown), angle)) * (width / w, height / h)
        corners = corners[np.argsort(corners[:, 0])]
        lefts, rights = corners[:2], corners[2:]
        lefts, rights = lefts[np.argsort(lefts[:, 1])], rights[np.argsort(rights[:, 1])]
        boxes.append(np.array([lefts[0], rights[0], rights[1], lefts[1]], np.float32))
    return sorted(boxes, key=lambda box: (round(box[0, 1] / 10), box[0, 0]))


def straighten(picture, corners):
    """A line of text, upright."""
    width = max(np.linalg.norm(corners[0] - corners[1]), np.linalg.norm(corners[2] - corners[3]))
    height = max(np.linalg.norm(corners[0] - corners[3]), np.linalg.norm(corners[1] - corners[2]))
    width, height = max(1, int(width)), max(1, int(height))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    line = cv2.warpPerspective(picture, cv2.getPerspectiveTransform(corners, target), (width, height),
                               flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    return np.rot90(line) if height >= 1.5 * width else line


def line_tensor(line, height, width):
    """A line at its aspect ratio at the left of a grey field."""
    scaled = min(width, max(1, math.ceil(height * line.shape[1] / line.shape[0])))
    tensor = np.zeros((1, 3, height, width), np.float32)
    tensor[:, :, :, :scaled] = to_tensor(cv2.resize(line, (scaled, height)), 127.5, 1 / 127.5, bgr=True)
    return tensor


def upright(session, line):
    """The line turned by half a circle if PP-OCR's classifier is sure that it stands on its head."""
    probabilities = session.run(line_tensor(line, 48, 192))[0][0]
    return cv2.rotate(line, cv2.ROTATE_180) if probabilities[1] > 0.9 else line


def characters(path):
    """The characters of a recogniser, of which PP-OCR's files tell; the space is the last."""
    import onnx

    metadata = {one.key: one.value for one in onnx.load(path, load_external_data=False).metadata_props}
    return [*metadata["character"].split("\n"), " "]


def read_lines(session, alphabet, lines):
    """(text, score) of each line; six at a time, of like width."""
    answers = [("", 0.0)] * len(lines)
    order = sorted(range(len(lines)), key=lambda i: lines[i].shape[1] / lines[i].shape[0])
    for at in range(0, len(order), 6):
        group = order[at : at + 6]
        width = max(320, *(math.ceil(48 * lines[i].shape[1] / lines[i].shape[0]) for i in group))
        probabilities = session.run(np.concatenate([line_tensor(lines[i], 48, width) for i in group]))[0]
        for i, row in zip(group, probabilities, strict=True):
            best, scores = row.argmax(axis=1), row.max(axis=1)
            # Class 0 is the blank between characters; a character that goes on counts once.
            kept = (best != 0) & (best != np.concatenate([[-1], best[:-1]]))
            text = "".join(alphabet[k - 1] for k in best[kept])
            answers[i] = (text, float(scores[kept].mean()) if kept.any() else 0.0)
    return answers


def read_text(detector, classifier, recognizer, alphabet, picture, min_score=0.5):
    """(corners, text, score) of each line."""
    boxes = text_boxes(detector, picture)
    lines = [straighten(picture, box) for box in boxes]
    if classifier is not None:
        lines = [upright(classifier, line) for line in lines]
    read = read_lines(recognizer, alphabet, lines)
    return [(box, *line) for box, line in zip(boxes, read, strict=True) if line[1] >= min_score]


# Faces: MediaPipe.


def face_anchors(family):
    """Centres of MediaPipe's anchors, in [0, 1]; they all have the size 1."""
    # Short range: cells of 8 pixels with 2 anchors, of 16 with 6, of 128; else 48x48 cells with one.
    layers = [(16, 2), (8, 6)] if family == "blazeface_short_range" else [(48, 1)]
    centres = []
    for side, count in layers:
        y, x = np.divmod(np.arange(side * side), side)
        centres.append(np.repeat((np.stack([x, y], axis=1) + 0.5) / side, count, axis=0))
    return np.concatenate(centres)


def find_faces(session, family, picture, min_score=0.5):
    """(box, six keypoints, score), in pixels of the picture."""
    side = 128 if family == "blazeface_short_range" else 192
    square, (scale, left, top) = letterbox(picture, side)
    outputs = session.run(to_tensor(square, 127.5, 1 / 127.5))
    values, logits = sorted((output[0] for output in outputs), key=lambda output: -output.shape[-1])
    scores = sigmoid(logits[:, 0])
    rows = np.flatnonzero(scores >= min_score)
    if not rows.size:
        return []
    places = values[rows].reshape(len(rows), 8, 2)
    anchors = face_anchors(family)[rows] * side
    places[:, 0] += anchors
    places[:, 2:] += anchors[:, None]
    boxes = np.concatenate([places[:, 0] - places[:, 1] / 2, places[:, 0] + places[:, 1] / 2], axis=1)
    shift = np.array([left, top])
    return [
        ((boxes[at] - np.tile(shift, 2)) / scale, (places[at, 2:] - shift) / scale, float(scores[rows[at]]))
        for at in non_maximum_suppression(boxes, scores[rows], 0.3)
    ]


def crop(picture, centre, size, angle, side):
    """A turned square as a picture of `side` pixels, and the transform from its pixels to the picture's."""
    cosine, sine = math.cos(angle), math.sin(angle)
    unit = size / side
    back = np.array([
        [cosine * unit, -sine * unit, centre[0] - size / 2 * cosine + size / 2 * sine],
        [sine * unit, cosine * unit, centre[1] - size / 2 * sine - size / 2 * cosine],
    ])  # fmt: skip
    return cv2.warpAffine(picture, back, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), back


def face_mesh(session, picture, face):
    """468 points of a face in pixels of the picture, and the score of the face."""
    box, keypoints, _ = face
    angle = math.atan2(keypoints[1][1] - keypoints[0][1], keypoints[1][0] - keypoints[0][0])
    size = 1.5 * max(box[2] - box[0], box[3] - box[1])
    region, back = crop(picture, ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), size, angle, 192)
    outputs = sorted((output.ravel() for output in session.run(to_tensor(region, scale=1 / 255))), key=len)
    points = outputs[-1].reshape(468, 3)[:, :2]
    return points @ back[:, :2].T + back[:, 2], float(sigmoid(outputs[0][0]))


# Outer and inner corner of each eye in the mesh.
EYE_CORNERS = {"right": (33, 133), "left": (263, 362)}


def iris(session, picture, mesh, eye):
    """Five points of the iris and 71 of the eye's contour, in pixels of the picture."""
    outer, inner = mesh[EYE_CORNERS[eye][0]], mesh[EYE_CORNERS[eye][1]]
    along = inner - outer if eye == "right" else outer - inner
    region, back = crop(picture, (outer + inner) / 2, 2.3 * np.linalg.norm(along), math.atan2(along[1], along[0]), 64)
    # The model knows left eyes.
    mirrored = eye == "right"
    outputs = session.run(to_tensor(region[:, ::-1] if mirrored else region, scale=1 / 255))
    found = []
    for output in sorted((output.ravel() for output in outputs), key=len):
        points = output.reshape(-1, 3)[:, :2].copy()
        if mirrored:
            points[:, 0] = 63 - points[:, 0]
        found.append(points @ back[:, :2].T + back[:, 2])
    return found
