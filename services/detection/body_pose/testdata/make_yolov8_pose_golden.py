# SPDX-License-Identifier: Apache-2.0
"""Makes yolov8_pose_golden.txt: outputs of a YOLOv8 pose network with random weights, and Ultralytics' reading of them.

python -m venv golden && golden/bin/pip install torch==2.11.0 torchvision==0.26.0 ultralytics==8.4.190
golden/bin/python make_yolov8_pose_golden.py
"""

from pathlib import Path

import torch
from ultralytics.nn.tasks import PoseModel
from ultralytics.utils import nms, ops

INPUT_PX = 64
PICTURE_PX = (48, 96)
MIN_SCORE = 0.25
MAX_IOU = 0.7


def main():
    torch.manual_seed(5)
    model = PoseModel("yolov8n-pose.yaml", verbose=False).eval()
    for module in model.modules():
        # Statistics of the batch: those of an untrained network let everything fade away.
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train()
    head = model.model[-1]
    for branch, gain in [*((b, 3) for b in head.cv2), *((b, 6) for b in head.cv3), *((b, 1) for b in head.cv4)]:
        branch[-1].weight.data *= gain
    for branch in head.cv3:
        branch[-1].bias.data.fill_(-2)
    for branch in head.cv2:
        # Small boxes, so that not all of them overlap.
        branch[-1].bias.data = -0.8 * torch.arange(16.0).repeat(4)
    with torch.no_grad():
        outputs = model(torch.rand(8, 3, INPUT_PX, INPUT_PX))
    output = outputs[0] if isinstance(outputs, tuple) else outputs
    # The file's digits are what both read.
    output = torch.tensor([[float(f"{value:.5g}") for value in row] for row in output[0].tolist()])[None]
    found = nms.non_max_suppression(output, MIN_SCORE, MAX_IOU, nc=1)[0]
    boxes = ops.scale_boxes((INPUT_PX, INPUT_PX), found[:, :4].clone(), PICTURE_PX)
    joints = ops.scale_coords((INPUT_PX, INPUT_PX), found[:, 6:].clone().view(-1, 17, 3), PICTURE_PX)
    with open(Path(__file__).parent / "yolov8_pose_golden.txt", "w") as out:
        print(output.shape[1], output.shape[2], len(found), file=out)
        for row in output[0].tolist():
            print(*(f"{value:.5g}" for value in row), file=out)
        for row, box, pose in zip(found, boxes, joints, strict=True):
            print(f"{row[4]:.5f}", *(f"{value:.4f}" for value in box), file=out)
            print(*(f"{value:.4f}" for value in pose.flatten()), file=out)
    print(len(found), "poses")


if __name__ == "__main__":
    main()
