# SPDX-License-Identifier: Apache-2.0
"""Makes NAME.onnx, small detectors with random weights, and detector_golden.txt, what the published code finds by them.

    python make_detector_golden.py

Needs ultralytics 8.4 (torch, opencv, onnx). Networks, export, NMS and the way back to the picture are its own.
"""

import pathlib
import shutil
import tempfile

import numpy as np
import torch
import yaml
from ultralytics import RTDETR, YOLO

HERE = pathlib.Path(__file__).parent
SIDE = 64
CLASSES = 3
MIN_SCORE, MAX_IOU = 0.25, 0.5


def backbone(block, width):
    """Down to strides 8, 16 and 32: layers 3, 4 and 5."""
    down = [[-1, 1, "Conv", [width, 3, 2]] for _ in range(5)]
    return [*down[:3], [-1, 1, block, [width]], *down[3:]]


NETWORKS = {
    "yolov8_tiny": (YOLO, backbone("C2f", 8), [[[3, 4, 5], 1, "Detect", [CLASSES]]], 40),
    "yolo11_tiny": (YOLO, backbone("C3k2", 8), [[[3, 4, 5], 1, "Detect", [CLASSES]]], 40),
    # Width of the decoder, queries, points, heads, layers, width of its feed-forward part.
    "rtdetr_tiny": (
        RTDETR,
        backbone("C2f", 8),
        [[[3, 4, 5], 1, "RTDETRDecoder", [CLASSES, 16, 20, 2, 2, 1, 16]]],
        SIDE,
    ),
}


def picture(height):
    """BGR, [height, SIDE, 3]; detector_head_test.cc makes the same."""
    y, x, c = np.mgrid[0:height, 0:SIDE, 0:3]
    rgb = (x // 8 * 37 + y // 8 * 91 + c * 53 + x * y % 13) % 256
    return np.ascontiguousarray(rgb[:, :, ::-1].astype(np.uint8))


def network(kind, layers, head, folder, name, seed):
    torch.manual_seed(seed)
    file = pathlib.Path(folder, f"{name}.yaml")
    file.write_text(yaml.safe_dump({"nc": CLASSES, "reg_max": 4, "backbone": layers, "head": head}))
    model = kind(str(file))
    # As they are made, networks answer the same to everything: livelier weights.
    with torch.no_grad():
        for key, weights in model.model.named_parameters():
            if "dfl" in key:
                continue
            if "cv3" in key and key.endswith(".2.bias"):
                weights.fill_(-2)
            elif weights.dim() > 1:
                weights.normal_(0, (5 if ".cv3." in key and ".2." in key else 1.6) / weights[0].numel() ** 0.5)
            elif key.endswith("weight"):
                weights.uniform_(0.7, 1.3)
            else:
                weights.normal_(0, 0.2)
    return model


def main():
    lines = []
    for seed, (name, (kind, layers, head, height)) in enumerate(NETWORKS.items()):
        with tempfile.TemporaryDirectory() as folder:
            model = network(kind, layers, head, folder, name, seed)
            exported = model.export(format="onnx", imgsz=SIDE, dynamic=True, simplify=False, opset=17)
            shutil.copy(exported, HERE / f"{name}.onnx")
            found = model.predict(picture(height), imgsz=SIDE, conf=MIN_SCORE, iou=MAX_IOU, verbose=False)[0].boxes
        lines.append(f"{name} {height} {len(found)}\n")
        for box, score, label in zip(found.xyxyn, found.conf, found.cls, strict=True):
            lines.append(f"{int(label)} {float(score):.6f} {' '.join(f'{float(side):.6f}' for side in box)}\n")
        print(name, (HERE / f"{name}.onnx").stat().st_size, len(found))
    (HERE / "detector_golden.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
