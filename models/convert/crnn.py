# SPDX-License-Identifier: Apache-2.0
"""EasyOCR's recogniser of generation 2, english_g2.pth: a CRNN (Shi et al., 2015, arXiv:1507.05717) with the features
of VGG, two bidirectional LSTMs and CTC.

    image   float32 [n, 1, 64, w]         grey, -1 to 1; w >= 16, best a multiple of 4
    logits  float32 [n, w / 4 - 1, 97]    before the softmax; class 0 is CTC's blank, then the 96 characters in order
"""

import numpy as np

from graph_builder import GraphBuilder
from torch_layers import bidirectional_lstm, conv, linear, max_pool
from torch_pickle import Weights

HEIGHT, HIDDEN, CLASSES = 64, 256, 97


def convert(paths):
    (path,) = paths
    weights = Weights(path, "module.")
    graph = GraphBuilder("crnn")
    x = graph.input("image", np.float32, ["n", 1, HEIGHT, "w"])
    name = "FeatureExtraction.ConvNet"
    x = max_pool(graph, conv(graph, weights, f"{name}.0", x, 1, 32))
    x = max_pool(graph, conv(graph, weights, f"{name}.3", x, 32, 64))
    x = conv(graph, weights, f"{name}.6", x, 64, 128)
    x = max_pool(graph, conv(graph, weights, f"{name}.8", x, 128, 128), 2, 1)
    x = conv(graph, weights, f"{name}.11", x, 128, 256, norm=f"{name}.12", bias=False)
    x = max_pool(graph, conv(graph, weights, f"{name}.14", x, 256, 256, norm=f"{name}.15", bias=False), 2, 1)
    x = conv(graph, weights, f"{name}.18", x, 256, 256, kernel=2, padding=0)

    # [n, channels, 3, time] to [time, n, channels].
    x = graph.op("Transpose", graph.op("ReduceMean", x, axes=[2], keepdims=0), perm=[2, 0, 1])
    for i in range(2):
        x = bidirectional_lstm(graph, weights, f"SequenceModeling.{i}.rnn", x, 256, HIDDEN)
        x = linear(graph, weights, f"SequenceModeling.{i}.linear", x, 2 * HIDDEN, HIDDEN)
    x = graph.op("Transpose", linear(graph, weights, "Prediction", x, HIDDEN, CLASSES), perm=[1, 0, 2])
    graph.output(x, "logits", np.float32, ["n", "time", CLASSES])
    weights.finish()
    return graph.model()
