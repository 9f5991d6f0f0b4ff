# SPDX-License-Identifier: Apache-2.0
"""The ONNX for each TensorFlow operator. Inputs are Tensors, or arrays where they are constant."""

import dataclasses

import numpy as np

from errors import ConversionError
from layout_graph import BOOL, FLOAT32, INT64, Tensor
from sides import Side
from tf_fold import sides_of, slice_plan
from tf_graph import NUMPY_TYPES

_KINDS = {"f": FLOAT32, "i": INT64, "u": INT64, "b": BOOL}


def emit(graph, node, inputs):
    if node.op not in _EMITTERS:
        raise ConversionError("this operator is not covered")
    return _EMITTERS[node.op](graph, node, *inputs)


def _tensor(graph, value):
    return value if isinstance(value, Tensor) else graph.constant(value)


def _window(node, name):
    """Height and width of the attribute `name` of four."""
    if node.attributes.get("data_format", "NHWC") != "NHWC":
        raise ConversionError("channels first is not covered")
    sides = [int(side) for side in node.attributes.get(name) or [1, 1, 1, 1]]
    if sides[0] != 1 or sides[3] != 1:
        raise ConversionError(f"{name} {sides} is not covered")
    return tuple(sides[1:3])


def _padding(node):
    if node.attributes["padding"] == "EXPLICIT":
        pads = [int(side) for side in node.attributes["explicit_paddings"]]
        return ((pads[2], pads[3]), (pads[4], pads[5]))
    return node.attributes["padding"]


def _convolution(graph, node, x, kernel, *rest):
    kernel = np.transpose(np.asarray(kernel, np.float32), (3, 2, 0, 1))
    return _finish_convolution(graph, node, x, kernel, rest)


def _depthwise(graph, node, x, kernel, *rest):
    height, width, channels, multiple = kernel.shape
    kernel = np.transpose(np.asarray(kernel, np.float32), (2, 3, 0, 1)).reshape(channels * multiple, 1, height, width)
    return _finish_convolution(graph, node, x, kernel, rest)


def _finish_convolution(graph, node, x, kernel, rest):
    fused = list(node.attributes.get("fused_ops") or [])
    rest = list(rest)
    bias = np.asarray(rest.pop(0), np.float32) if fused[:1] == ["BiasAdd"] else None
    x = graph.convolution(x, kernel, _window(node, "strides"), _padding(node), _window(node, "dilations"), bias)
    for name in fused[bias is not None :]:
        x = graph.broadcast("PRelu", [x, rest.pop(0)]) if name == "Prelu" else emit_activation(graph, node, name, x)
    if rest:
        raise ConversionError("a fused convolution has inputs that nothing uses")
    return x


def emit_activation(graph, node, name, x):
    if name == "Relu6":
        return graph.clip(x, 0, 6)
    if name == "LeakyRelu":
        return graph.unary("LeakyRelu", x, alpha=float(node.attributes.get("alpha", 0.2)))
    if name not in ("Relu", "Sigmoid", "Tanh", "Elu"):
        raise ConversionError(f"the activation {name} is not covered")
    return graph.unary(name, x)


def _softmax(graph, node, x):
    name = graph.builder.op("Softmax", graph.value(x, x.order), axis=x.order[-1])
    return Tensor(name, x.shape, x.dtype, x.order)


def _matrix_product(graph, node, x, kernel, *rest):
    if node.attributes.get("transpose_a") or isinstance(kernel, Tensor) or x.rank != 2:
        raise ConversionError("only products with a constant matrix are covered")
    kernel = kernel.T if node.attributes.get("transpose_b") else kernel
    kernel = np.ascontiguousarray(kernel, np.float32)
    x = graph.make("MatMul", [graph.value(x), kernel], (x.shape[0], kernel.shape[1]))
    rest = list(rest)
    for name in node.attributes.get("fused_ops") or []:
        x = graph.broadcast("Add", [x, rest.pop(0)]) if name == "BiasAdd" else emit_activation(graph, node, name, x)
    return x


def _transposed_convolution(graph, node, sides, kernel, x):
    if _window(node, "dilations") != (1, 1):
        raise ConversionError("a dilated transposed convolution is not covered")
    # [height, width, out, in] to [in, out, height, width].
    kernel = np.transpose(np.asarray(kernel, np.float32), (3, 2, 0, 1))
    return graph.transposed_convolution(
        x, kernel, _window(node, "strides"), _padding(node), [int(side) for side in sides[1:3]]
    )


def _pool(op_type):
    def emit_pool(graph, node, x):
        return graph.pool(op_type, x, _window(node, "ksize"), _window(node, "strides"), _padding(node))

    return emit_pool


def _resize(mode):
    def emit_resize(graph, node, x, size):
        attributes = node.attributes
        return graph.resize(
            x, sides_of(size), attributes.get("half_pixel_centers"), attributes.get("align_corners"), mode
        )

    return emit_resize


def _binary(op_type, dtype=None):
    def emit_binary(graph, node, x, y):
        return graph.broadcast(op_type, [x, y], dtype)

    return emit_binary


def _unary(op_type):
    return lambda graph, node, x: graph.unary(op_type, x)


def _add_n(graph, node, x, *others):
    for other in others:
        x = graph.add(x, other)
    return x


def _floor_div(graph, node, x, y):
    whole = graph.broadcast("Div", [x, y])
    # Indices and sizes, never negative: ONNX's rounding towards 0 is the same.
    return graph.unary("Floor", whole) if whole.dtype == FLOAT32 else whole


def _cast(graph, node, x):
    return graph.cast(x, _KINDS[np.dtype(NUMPY_TYPES[node.attributes["DstT"]]).kind])


def _reduce(op_type):
    def emit_reduce(graph, node, x, axes):
        return graph.reduce(
            op_type, x, [int(axis) for axis in np.reshape(axes, -1)], bool(node.attributes["keep_dims"])
        )

    return emit_reduce


def _arg_max(graph, node, x, axis):
    axis = int(axis) % x.rank
    shape = [side for i, side in enumerate(x.shape) if i != axis]
    return graph.make("ArgMax", [graph.value(x)], shape, INT64, axis=axis, keepdims=0)


def _top_k(graph, node, x, count):
    count = int(count)
    shape = (*x.shape[:-1], count)
    inputs = [graph.value(x), np.array([count], np.int64)]
    values, indices = graph.builder.op("TopK", *inputs, outputs=2, axis=-1, largest=1, sorted=1)
    order = tuple(range(x.rank))
    return [Tensor(values, shape, x.dtype, order), Tensor(indices, shape, INT64, order)]


def _gather(graph, node, x, indices, axis=0):
    axis, x, indices = int(axis), _tensor(graph, x), _tensor(graph, indices)
    if int(node.attributes.get("batch_dims", 0)):
        raise ConversionError("batch_dims is not covered")
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return graph.make("Gather", [graph.value(x), graph.value(indices)], shape, x.dtype, axis=axis)


def _gather_nd(graph, node, x, indices):
    x, indices = _tensor(graph, x), _tensor(graph, indices)
    shape = (*indices.shape[:-1], *x.shape[indices.shape[-1] :])
    return graph.make("GatherND", [graph.value(x), graph.value(indices)], shape, x.dtype)


def _reshape(graph, node, x, target):
    return graph.reshape_to(x, sides_of(target))


def _expand_dims(graph, node, x, axis):
    axis = int(axis) % (x.rank + 1)
    return graph.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


def _squeeze(graph, node, x):
    axes = [int(axis) % x.rank for axis in node.attributes.get("squeeze_dims") or node.attributes.get("axis") or []]
    axes = axes or [i for i, side in enumerate(x.shape) if side == 1]
    if any(x.shape[axis] != 1 for axis in axes):
        raise ConversionError("squeezes the batch: the graph is made for a batch of 1")
    return graph.reshape(x, [side for i, side in enumerate(x.shape) if i not in axes])


def _pad(graph, node, x, pads, value=0.0):
    return graph.pad(x, np.asarray(pads), float(value))


def _concat(graph, node, *inputs):
    return graph.concat([_tensor(graph, value) for value in inputs[:-1]], int(inputs[-1]))


def _split(graph, node, axis, x):
    axis, count = int(axis) % x.rank, int(node.attributes["num_split"])
    return graph.split(x, [x.shape[axis] // count] * count, axis)


def _split_v(graph, node, x, sizes, axis):
    axis = int(axis) % x.rank
    sizes = [int(size) for size in sizes]
    if -1 in sizes:
        sizes[sizes.index(-1)] = x.shape[axis] - sum(sizes) - 1
    return graph.split(x, sizes, axis)


def _pack(graph, node, *inputs):
    tensors = [_tensor(graph, value) for value in inputs]
    axis = int(node.attributes.get("axis", 0)) % (tensors[0].rank + 1)
    parts = [graph.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:])) for x in tensors]
    return graph.concat(parts, axis) if len(parts) > 1 else parts[0]


def _unpack(graph, node, x):
    axis = int(node.attributes.get("axis", 0)) % x.rank
    parts = graph.split(x, [1] * x.shape[axis], axis)
    return [graph.reshape(part, (*part.shape[:axis], *part.shape[axis + 1 :])) for part in parts]


def _strided_slice(graph, node, x, begin, end, strides):
    cuts, dropped, new = slice_plan(node, x.rank, begin, end, strides)
    if cuts:
        x = graph.slice(x, *(list(items) for items in zip(*cuts, strict=True)))
    shape = [side for i, side in enumerate(x.shape) if i not in dropped]
    for axis in new:
        shape.insert(axis, 1)
    return graph.reshape(x, shape)


def _slice(graph, node, x, begin, size):
    size = sides_of(size)
    begin = [int(item) for item in begin]
    cuts = [
        (axis, begin[axis], begin[axis] + side, 1)
        for axis, side in enumerate(size)
        if not (begin[axis] == 0 and (side in (x.shape[axis], -1)))
    ]
    if any(isinstance(item, Side) or (isinstance(item, int) and item < 0) for cut in cuts for item in cut):
        raise ConversionError(f"cuts {list(x.shape)} to {list(size)}")
    return graph.slice(x, *(list(items) for items in zip(*cuts, strict=True))) if cuts else x


def _tile(graph, node, x, multiples):
    multiples = [int(count) for count in multiples]
    shape = [side * count if count > 1 else side for side, count in zip(x.shape, multiples, strict=True)]
    return graph.make("Tile", [graph.value(x), np.array(multiples, np.int64)], shape, x.dtype)


def _broadcast_to(graph, node, x, shape):
    if sides_of(shape) != x.shape:
        raise ConversionError(f"broadcasts {list(x.shape)} to {list(shape)}")
    return x


def _square(graph, node, x):
    return graph.broadcast("Mul", [x, x])


def _squared_difference(graph, node, x, y):
    return _square(graph, node, graph.broadcast("Sub", [x, y]))


def _select(graph, node, condition, x, y):
    x = _tensor(graph, x)
    return graph.broadcast("Where", [condition, x, y if isinstance(y, Tensor) else np.asarray(y, x.dtype)], x.dtype)


def _space_to_batch(graph, node, x, block, pads):
    """With the VALID convolution after it and BatchToSpaceND, this is a dilated VALID convolution; what it pads is cut
    off at the end."""
    if x.rank != 4 or len(block) != 2:
        raise ConversionError("only two spatial axes are covered")
    known = np.asarray(pads)
    if any(before not in (0, None) for before in known[:, 0]):
        raise ConversionError("padding before the picture is not covered")
    return dataclasses.replace(x, dilation=tuple(int(side) for side in block), convolution=None)


def _batch_to_space(graph, node, x, block, crops):
    if x.convolution is None or x.convolution.attributes.get("dilations") != [int(side) for side in block]:
        raise ConversionError("does not follow a convolution after a SpaceToBatchND of the same block")
    return x


_EMITTERS = {
    "Abs": _unary("Abs"),
    "Add": lambda graph, node, x, y: graph.add(x, y),
    "AddN": _add_n,
    "AddV2": lambda graph, node, x, y: graph.add(x, y),
    "ArgMax": _arg_max,
    "AvgPool": _pool("AveragePool"),
    "BatchToSpaceND": _batch_to_space,
    "BiasAdd": lambda graph, node, x, y: graph.add(x, y),
    "BroadcastTo": _broadcast_to,
    "Cast": _cast,
    "ConcatV2": _concat,
    "Conv2D": _convolution,
    "Conv2DBackpropInput": _transposed_convolution,
    "DepthwiseConv2dNative": _depthwise,
    "DepthToSpace": lambda graph, node, x: graph.depth_to_space(x, int(node.attributes["block_size"])),
    "Equal": _binary("Equal", BOOL),
    "Exp": _unary("Exp"),
    "ExpandDims": _expand_dims,
    "FloorDiv": _floor_div,
    "FloorMod": _binary("Mod"),
    "FusedDepthwiseConv2dNative": _depthwise,
    "GatherNd": _gather_nd,
    "GatherV2": _gather,
    "Greater": _binary("Greater", BOOL),
    "GreaterEqual": _binary("GreaterOrEqual", BOOL),
    "Identity": lambda graph, node, x: x,
    "LeakyRelu": lambda graph, node, x: emit_activation(graph, node, "LeakyRelu", x),
    "Less": _binary("Less", BOOL),
    "LogicalAnd": _binary("And", BOOL),
    "MatMul": _matrix_product,
    "Max": _reduce("ReduceMax"),
    "MaxPool": _pool("MaxPool"),
    "Maximum": _binary("Max"),
    "Mean": _reduce("ReduceMean"),
    "Minimum": _binary("Min"),
    "Mul": lambda graph, node, x, y: graph.multiply(x, y),
    "Pack": _pack,
    "Pad": _pad,
    "PadV2": _pad,
    "Prelu": lambda graph, node, x, slope: graph.broadcast("PRelu", [x, slope]),
    "RealDiv": _binary("Div"),
    "Reciprocal": _unary("Reciprocal"),
    "Relu": lambda graph, node, x: emit_activation(graph, node, "Relu", x),
    "Relu6": lambda graph, node, x: emit_activation(graph, node, "Relu6", x),
    "Reshape": _reshape,
    "ResizeBilinear": _resize("linear"),
    "ResizeNearestNeighbor": _resize("nearest"),
    "Select": _select,
    "Sigmoid": _unary("Sigmoid"),
    "Slice": _slice,
    "Softmax": _softmax,
    "SpaceToBatchND": _space_to_batch,
    "Split": _split,
    "SplitV": _split_v,
    "Sqrt": _unary("Sqrt"),
    "Square": _square,
    "SquaredDifference": _squared_difference,
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "Sub": _binary("Sub"),
    "Sum": _reduce("ReduceSum"),
    "Tanh": _unary("Tanh"),
    "Tile": _tile,
    "TopKV2": _top_k,
    "Transpose": lambda graph, node, x, perm: graph.transpose(x, [int(axis) for axis in perm]),
    "Unpack": _unpack,
}
_EMITTERS |= {"_FusedConv2D": _convolution, "_FusedMatMul": _matrix_product}
