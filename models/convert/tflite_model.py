# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite models with float weights (also half precision and sparse ones), as MediaPipe publishes them.

Pictures (inputs and outputs of four axes) have their channels first in the ONNX file; the batch is open. Names are the
source's.
"""

import numpy as np
import tflite

import tflite_reader
from errors import ConversionError
from layout_graph import CHANNELS_LAST, FLOAT32, LayoutGraph, Tensor, plain
from sides import Side

_PADDINGS = {tflite.Padding.SAME: "SAME", tflite.Padding.VALID: "VALID"}


def convert(paths):
    (path,) = paths
    model = tflite_reader.read(path)
    graph = LayoutGraph("tflite", [_name(model, number) for number in model.inputs + model.outputs])
    values = dict(model.constants)
    for number in model.inputs:
        shape = (Side("n"), *model.shapes[number][1:])
        order = CHANNELS_LAST if len(shape) == 4 else plain(len(shape))
        values[number] = graph.input(_name(model, number), shape, FLOAT32, order)
    unused = set(model.constants)
    for operator in model.operators:
        unused -= set(operator.inputs)
        try:
            inputs = [None if number < 0 else values[number] for number in operator.inputs]
            results = _emit(graph, operator, inputs)
        except ConversionError as error:
            raise ConversionError(f"{path}: {operator.name} to {model.names[operator.outputs[0]]}: {error}") from None
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise ConversionError(
                f"{path}: {operator.name} to {model.names[operator.outputs[0]]}: not as expected "
                f"({type(error).__name__}: {error})"
            ) from None
        values.update(zip(operator.outputs, results, strict=True))
    if unused:
        raise ConversionError(f"{path}: {len(unused)} weights are not used, {model.names[min(unused)]} for one")
    for number in model.outputs:
        value = values[number]
        if tuple(value.shape[1:]) != model.shapes[number][1:]:
            raise ConversionError(f"{path}: output {model.names[number]} came out as {list(value.shape)}")
        graph.output(value, _name(model, number), CHANNELS_LAST if value.rank == 4 else plain(value.rank))
    return graph.builder.model()


def _name(model, number):
    return model.names[number].removesuffix(":0")


def _options(kind, operator):
    options = kind()
    options.Init(operator.options.Bytes, operator.options.Pos)
    return options


def _emit(graph, operator, inputs):
    if operator.name in ("DEQUANTIZE", "DENSIFY"):
        (x,) = inputs
        if isinstance(x, Tensor) or x.dtype.kind != "f":
            raise ConversionError("only constants of half precision are covered")
        return [x.astype(np.float32)]
    if operator.name not in _EMITTERS:
        raise ConversionError("this operator is not covered")
    return [_EMITTERS[operator.name](graph, operator, *inputs)]


def _activated(graph, x, function):
    kinds = tflite.ActivationFunctionType
    if function == kinds.NONE:
        return x
    if function == kinds.RELU:
        return graph.unary("Relu", x)
    if function == kinds.RELU6:
        return graph.clip(x, 0, 6)
    if function == kinds.TANH:
        return graph.unary("Tanh", x)
    raise ConversionError(f"activation {function} is not covered")


def _convolution(graph, operator, x, kernel, bias=None):
    options = _options(tflite.Conv2DOptions, operator)
    # [out, height, width, in]
    return _finish_convolution(graph, options, x, kernel.transpose(0, 3, 1, 2), bias)


def _depthwise(graph, operator, x, kernel, bias=None):
    options = _options(tflite.DepthwiseConv2DOptions, operator)
    # [1, height, width, out]
    return _finish_convolution(graph, options, x, kernel.transpose(3, 0, 1, 2), bias)


def _finish_convolution(graph, options, x, kernel, bias):
    strides = (options.StrideH(), options.StrideW())
    dilations = (options.DilationHFactor(), options.DilationWFactor())
    x = graph.convolution(x, kernel, strides, _PADDINGS[options.Padding()], dilations, bias)
    return _activated(graph, x, options.FusedActivationFunction())


def _pool(op_type):
    def emit(graph, operator, x):
        options = _options(tflite.Pool2DOptions, operator)
        window, strides = (options.FilterHeight(), options.FilterWidth()), (options.StrideH(), options.StrideW())
        x = graph.pool(op_type, x, window, strides, _PADDINGS[options.Padding()])
        return _activated(graph, x, options.FusedActivationFunction())

    return emit


def _add(graph, operator, x, y):
    # Not moved into the convolution before: where a sum follows one, it is a shortcut's.
    function = _options(tflite.AddOptions, operator).FusedActivationFunction()
    return _activated(graph, graph.broadcast("Add", [x, y]), function)


def _multiply(graph, operator, x, y):
    function = _options(tflite.MulOptions, operator).FusedActivationFunction()
    return _activated(graph, graph.broadcast("Mul", [x, y]), function)


def _concatenation(graph, operator, *tensors):
    options = _options(tflite.ConcatenationOptions, operator)
    return _activated(graph, graph.concat(tensors, options.Axis()), options.FusedActivationFunction())


def _resize(graph, operator, x, size):
    options = _options(tflite.ResizeBilinearOptions, operator)
    sides = [int(side) for side in size]
    return graph.resize(x, sides, options.HalfPixelCenters(), options.AlignCorners())


def _fully_connected(graph, operator, x, kernel, bias=None):
    options = _options(tflite.FullyConnectedOptions, operator)
    x = graph.reshape_to(x, (-1 if not isinstance(x.shape[0], Side) else x.shape[0], kernel.shape[1]))
    shape = (x.shape[0], kernel.shape[0])
    x = graph.make("MatMul", [graph.value(x), np.ascontiguousarray(kernel.T)], shape)
    if bias is not None:
        x = graph.broadcast("Add", [x, bias])
    return _activated(graph, x, options.FusedActivationFunction())


def _mean(graph, operator, x, axes):
    keep = _options(tflite.ReducerOptions, operator).KeepDims()
    return graph.reduce("ReduceMean", x, [int(axis) for axis in np.reshape(axes, -1)], bool(keep))


def _reshape(graph, operator, x, shape=None):
    if shape is None:
        shape = _options(tflite.ReshapeOptions, operator).NewShapeAsNumpy()
    return graph.reshape_to(x, [int(side) for side in shape])


def _depth_to_space(graph, operator, x):
    return graph.depth_to_space(x, _options(tflite.DepthToSpaceOptions, operator).BlockSize())


_EMITTERS = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _pool("AveragePool"),
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEPTH_TO_SPACE": _depth_to_space,
    "FULLY_CONNECTED": _fully_connected,
    "HARD_SWISH": lambda graph, operator, x: graph.unary("HardSwish", x),
    "LOGISTIC": lambda graph, operator, x: graph.unary("Sigmoid", x),
    "MAX_POOL_2D": _pool("MaxPool"),
    "MEAN": _mean,
    "MUL": _multiply,
    "PAD": lambda graph, operator, x, pads: graph.pad(x, pads),
    "PRELU": lambda graph, operator, x, slope: graph.broadcast("PRelu", [x, slope]),
    "RELU": lambda graph, operator, x: graph.unary("Relu", x),
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize,
}
