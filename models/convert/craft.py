# SPDX-License-Identifier: Apache-2.0
"""CRAFT (Baek et al., 2019, arXiv:1904.01941): where text is, from EasyOCR's weights craft_mlt_25k.pth.

image   float32 [n, 3, h, w]      RGB less the ImageNet mean, over its deviation; h and w are multiples of 16
scores  float32 [n, 2, h/2, w/2]  how much a place is inside a character, and between two of one word
"""

import numpy as np

from graph_builder import GraphBuilder
from torch_layers import conv, max_pool
from torch_pickle import Weights

# VGG 16 with batch norms, as CRAFT slices it: (slice, its convolutions' places, channels). A pool comes before the
# first convolution of every slice but the first, and at the places in POOLS.
SLICES = (
    (1, ((0, 64), (3, 64), (7, 128), (10, 128))),
    (2, ((14, 256), (17, 256))),
    (3, ((20, 256), (24, 512), (27, 512))),
    (4, ((30, 512), (34, 512), (37, 512))),
)
POOL_BEFORE = (7, 14, 24, 34)


def convert(paths):
    (path,) = paths
    weights = Weights(path, "module.")
    graph = GraphBuilder("craft")
    x = graph.input("image", np.float32, ["n", 3, "h", "w"])
    channels = 3
    features = []
    for number, convolutions in SLICES:
        for i, (place, outputs) in enumerate(convolutions):
            if place in POOL_BEFORE:
                x = max_pool(graph, x)
            name = f"basenet.slice{number}"
            # The ReLU after a slice's last convolution belongs to the next slice, but works in place, so the features
            # have it too; only the fourth slice ends without.
            last = number == 4 and i == len(convolutions) - 1
            x = conv(graph, weights, f"{name}.{place}", x, channels, outputs, norm=f"{name}.{place + 1}", relu=not last)
            channels = outputs
        features.append(x)
    x = graph.op("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
    x = conv(graph, weights, "basenet.slice5.1", x, 512, 1024, padding=6, dilation=6, relu=False)
    x = conv(graph, weights, "basenet.slice5.2", x, 1024, 1024, kernel=1, padding=0, relu=False)

    channels = 1024
    for i, (feature, feature_channels, outputs) in enumerate(
        zip(reversed(features), (512, 512, 256, 128), (256, 128, 64, 32), strict=True), start=1
    ):
        if i > 1:
            scales = np.array([1, 1, 2, 2], np.float32)
            x = graph.op("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")
        x = graph.op("Concat", x, feature, axis=1)
        name, inputs = f"upconv{i}.conv", channels + feature_channels
        x = conv(graph, weights, f"{name}.0", x, inputs, 2 * outputs, kernel=1, padding=0, norm=f"{name}.1")
        x = conv(graph, weights, f"{name}.3", x, 2 * outputs, outputs, norm=f"{name}.4")
        channels = outputs
    for place, inputs, outputs, kernel in (
        (0, 32, 32, 3),
        (2, 32, 32, 3),
        (4, 32, 16, 3),
        (6, 16, 16, 1),
        (8, 16, 2, 1),
    ):
        x = conv(graph, weights, f"conv_cls.{place}", x, inputs, outputs, kernel, kernel // 2, relu=place != 8)
    graph.output(x, "scores", np.float32, ["n", 2, "h/2", "w/2"])
    weights.finish()
    return graph.model({"multiple_of.h": "16", "multiple_of.w": "16"})
