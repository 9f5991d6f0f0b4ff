# SPDX-License-Identifier: Apache-2.0
"""Makes tiny_segformer/1/tiny_segformer.onnx, a small SegFormer of random weights, and segformer_golden.bin: the class
that the published implementation gives each pixel of the picture that class_map_test.cc makes as well.

    python -m venv golden && golden/bin/pip install torch==2.11.0 transformers==5.24.0 onnx==1.23.2
    golden/bin/python make_segformer_golden.py
"""

from pathlib import Path

import numpy as np
import torch
from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

HERE = Path(__file__).parent
WIDTH_PX, HEIGHT_PX = 96, 64
SIDE_PX = 64


def picture() -> np.ndarray:
    y, x, c = np.meshgrid(np.arange(HEIGHT_PX), np.arange(WIDTH_PX), np.arange(3), indexing="ij")
    return ((x * (2 + c) + y * (3 - c) + 40 * ((x // 24 + y // 16) % 3)) % 256).astype(np.uint8)


class Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels):
        return self.model(pixels).logits


def main():
    torch.manual_seed(7)
    config = SegformerConfig(
        num_labels=150,
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        classifier_dropout_prob=0.0,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        drop_path_rate=0.0,
    )
    model = SegformerForSemanticSegmentation(config).eval()
    # Random weights of the usual size give nearly equal logits.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    size = {"height": SIDE_PX, "width": SIDE_PX}
    processor = SegformerImageProcessor(size=size, resample=2)
    # The resizing is held against other references; here it is bilinear without smoothing, as the product does it.
    pixels = torch.from_numpy(picture()).permute(2, 0, 1)[None].float()
    pixels = torch.nn.functional.interpolate(pixels, (SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False)
    mean = torch.tensor(processor.image_mean).view(1, 3, 1, 1)
    std = torch.tensor(processor.image_std).view(1, 3, 1, 1)
    pixels = (pixels / 255 - mean) / std
    with torch.no_grad():
        outputs = model(pixels)
    classes = processor.post_process_semantic_segmentation(outputs, target_sizes=[(HEIGHT_PX, WIDTH_PX)])[0]
    (HERE / "segformer_golden.bin").write_bytes(classes.numpy().astype(np.uint8).tobytes())
    folder = HERE / "tiny_segformer" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        Logits(model),
        (pixels,),
        str(folder / "tiny_segformer.onnx"),
        input_names=["pixel_values"],
        output_names=["logits"],
        dynamic_axes={"pixel_values": {0: "n"}, "logits": {0: "n"}},
        opset_version=17,
        dynamo=False,
    )
    print(np.unique(classes.numpy(), return_counts=True))


if __name__ == "__main__":
    main()
