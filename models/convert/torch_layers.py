# SPDX-License-Identifier: Apache-2.0
"""PyTorch layers of inference as ONNX nodes, from their weights' names in a state dict."""

import numpy as np

BATCH_NORM_EPSILON = 1e-5


def conv(graph, weights, name, x, inputs, outputs, kernel=3, padding=1, dilation=1, norm=None, bias=True, relu=True):
    """A square Conv2d of stride 1, the BatchNorm2d `norm` after it folded in, and a ReLU."""
    array = weights.take(f"{name}.weight", outputs, inputs, kernel, kernel)
    shift = weights.take(f"{name}.bias", outputs).astype(np.float64) if bias else np.zeros(outputs)
    if norm is not None:
        scale, norm_shift = weights.batch_norm(norm, outputs, BATCH_NORM_EPSILON)
        array = array * scale.reshape(-1, 1, 1, 1)
        shift = shift * scale + norm_shift
    x = graph.op(
        "Conv",
        x,
        array.astype(np.float32),
        shift.astype(np.float32),
        kernel_shape=[kernel, kernel],
        pads=[padding] * 4,
        dilations=[dilation, dilation] if dilation != 1 else None,
    )
    return graph.op("Relu", x) if relu else x


def max_pool(graph, x, height=2, width=2):
    return graph.op("MaxPool", x, kernel_shape=[height, width], strides=[height, width])


def linear(graph, weights, name, x, inputs, outputs):
    kernel = weights.take(f"{name}.weight", outputs, inputs)
    return graph.op("Add", graph.op("MatMul", x, kernel.T), weights.take(f"{name}.bias", outputs))


def bidirectional_lstm(graph, weights, name, x, inputs, hidden):
    """An LSTM of one layer over [time, n, inputs], to [time, n, 2 * hidden]."""

    def gates(array):
        # PyTorch has input, forget, cell, output; ONNX has input, output, forget, cell.
        i, f, c, o = np.split(array, 4)
        return np.concatenate([i, o, f, c])

    kernels, recurrent, biases = [], [], []
    for suffix in ("l0", "l0_reverse"):
        kernels.append(gates(weights.take(f"{name}.weight_ih_{suffix}", 4 * hidden, inputs)))
        recurrent.append(gates(weights.take(f"{name}.weight_hh_{suffix}", 4 * hidden, hidden)))
        parts = [gates(weights.take(f"{name}.bias_{part}_{suffix}", 4 * hidden)) for part in ("ih", "hh")]
        biases.append(np.concatenate(parts))
    arrays = [np.stack(part) for part in (kernels, recurrent, biases)]
    y = graph.op("LSTM", x, *arrays, direction="bidirectional", hidden_size=hidden)
    return graph.op("Reshape", graph.op("Transpose", y, perm=[0, 2, 1, 3]), graph.ints(0, 0, 2 * hidden))
