# SPDX-License-Identifier: Apache-2.0
"""What converted models are fed in the tests, from fixed seeds, and which of their outputs' values are compared.

Used by conversion_test.py and by make_golden.py. Inputs are as the ONNX files take them.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

# Values kept of each output; the rest would say the same at greater length.
KEPT_VALUES = 1500


def picture(rng, height, width, count=1):
    """Coarse colours with noise, 0 to 255, [count, 3, height, width]: noise alone leaves most networks at rest."""
    coarse = rng.integers(0, 256, (count, 3, 9, 7)).astype(np.float32)
    rows, columns = np.arange(height) * 9 // height, np.arange(width) * 7 // width
    noise = rng.integers(-20, 21, (count, 3, height, width))
    return np.clip(coarse[:, :, rows][:, :, :, columns] + noise, 0, 255).astype(np.float32)


def kept(output):
    """The compared values of an output."""
    flat = np.asarray(output, np.float32).reshape(-1)
    return flat[np.linspace(0, flat.size - 1, min(flat.size, KEPT_VALUES)).astype(np.int64)]


def _transnetv2(rng):
    frames = np.empty((2, 100, 3, 27, 48), np.float32)
    for window in frames:
        start = 0
        while start < 100:
            end = start + int(rng.integers(5, 30))
            window[start:end] = picture(rng, 27, 48)
            start = end
    frames += rng.integers(-6, 7, frames.shape)
    return {"frames": np.clip(frames, 0, 255).astype(np.uint8).transpose(0, 1, 3, 4, 2).copy()}


def _nanodet(rng):
    mean = np.array([103.53, 116.28, 123.675], np.float32).reshape(3, 1, 1)
    deviation = np.array([57.375, 57.12, 58.395], np.float32).reshape(3, 1, 1)
    return {"input_1": (picture(rng, 416, 416) - mean) / deviation}


def _rvm(rng):
    height, width = 160, 96
    feeds = {"src": picture(rng, height, width) / np.float32(255)}
    for i, channels in ((1, 16), (2, 20), (3, 40), (4, 64)):
        feeds[f"r{i}i"] = rng.uniform(-1, 1, (1, channels, height >> i, width >> i)).astype(np.float32)
    return feeds


def _craft(rng):
    mean = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
    deviation = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)
    return {"image": (picture(rng, 96, 160) / np.float32(255) - mean) / deviation}


def _crnn(rng):
    return {"image": picture(rng, 64, 180, count=2)[:, :1] / np.float32(127.5) - 1}


def _mediapipe(name, side, lowest):
    """A square picture between `lowest` and 1."""
    scale = np.float32((1 - lowest) / 255)
    return lambda rng: {name: picture(rng, side, side) * scale + np.float32(lowest)}


@dataclasses.dataclass(frozen=True)
class Case:
    seed: int
    feeds: Callable
    # Largest difference, as a part of the largest value of the output. Sums of float32 in another order differ by
    # about 1e-6; deep networks with sigmoids between their layers make more of it.
    tolerance: float = 5e-5

    def inputs(self):
        return self.feeds(np.random.default_rng(self.seed))


CASES = {
    "transnetv2": Case(20, _transnetv2),
    "nanodet": Case(21, _nanodet),
    "centernet": Case(22, lambda rng: {"images": picture(rng, 512, 512)}),
    "movenet_multipose": Case(23, lambda rng: {"input": picture(rng, 256, 256)}),
    "craft": Case(26, _craft),
    "crnn": Case(27, _crnn),
    "face_detection_short_range": Case(28, _mediapipe("input", 128, -1)),
    "face_detection_full_range_sparse": Case(29, _mediapipe("input_1", 192, -1)),
    "face_landmark": Case(30, _mediapipe("input_1", 192, 0)),
    "iris_landmark": Case(31, _mediapipe("input_1", 64, 0)),
    "mediapipe_pose_detection": Case(32, _mediapipe("input_1", 224, -1)),
    "mediapipe_pose_landmark": Case(33, _mediapipe("input_1", 256, 0), tolerance=2e-3),
    "ssd_mobilenet_v2": Case(34, lambda rng: {"image": picture(rng, 300, 300)}),
    "selfie_segmentation": Case(270, lambda rng: {"input_1": picture(rng, 256, 256) / np.float32(255)}, tolerance=1e-3),
    "rvm": Case(25, _rvm),
}
