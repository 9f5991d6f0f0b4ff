# SPDX-License-Identifier: Apache-2.0
"""Builds ONNX from sources that keep channels last, with the channels where ONNX wants them.

A Tensor knows its logical shape (the source's) and how its logical axes lie in the ONNX value, so the source's
transposes cost nothing and convolutions, pools and element-wise operators follow each other without any. A Transpose
node appears only where an operator needs an order that its input does not have.
"""

import dataclasses
import typing

import numpy as np

from errors import ConversionError
from graph_builder import GraphBuilder
from sides import Side, product, same_padding, spatial_output

# Logical N, H, W, C in a value that is N, C, H, W.
CHANNELS_LAST = (0, 2, 3, 1)

FLOAT32, INT64, BOOL = np.dtype(np.float32), np.dtype(np.int64), np.dtype(np.bool_)
ONNX_TYPES = {FLOAT32: 1, INT64: 7, BOOL: 9}
INT_MAX = np.iinfo(np.int64).max


@dataclasses.dataclass
class Convolution:
    """How a value was made, so that a scale or bias after it can move into it."""

    x: str
    kernel: np.ndarray
    bias: np.ndarray | None
    attributes: dict
    op_type: str = "Conv"


@dataclasses.dataclass
class Tensor:
    name: str
    shape: tuple  # logical; ints and Sides
    dtype: np.dtype
    order: tuple  # logical axis i is axis order[i] of the value
    # Where it is a padding by one value: what was padded, (before, after) per logical axis, and by what.
    unpadded: typing.Optional["Tensor"] = None
    pads: tuple = ()
    pad_value: float = 0.0
    convolution: Convolution | None = None
    # Between SpaceToBatchND and BatchToSpaceND: the dilation of the one convolution there.
    dilation: tuple | None = None

    @property
    def rank(self):
        return len(self.shape)


def plain(rank):
    return tuple(range(rank))


class LayoutGraph:
    def __init__(self, name, reserved=()):
        self.builder = GraphBuilder(name, reserved)
        self._transposed = {}

    # Inputs, outputs, constants.

    def input(self, name, shape, dtype, order=None):
        """`shape` is logical; `order` says how the file's input lies."""
        tensor = Tensor(name, tuple(shape), np.dtype(dtype), order or plain(len(shape)))
        self.builder.input(name, dtype, [_open(shape[axis]) for axis in np.argsort(tensor.order)])
        return tensor

    def output(self, tensor, name, order=None):
        order = order or plain(tensor.rank)
        value = self.value(tensor, order)
        self.builder.output(value, name, tensor.dtype, [_open(tensor.shape[axis]) for axis in np.argsort(order)])

    def constant(self, array):
        array = np.asarray(array)
        array = array.astype({"f": FLOAT32, "i": INT64, "u": INT64, "b": BOOL}[array.dtype.kind])
        return Tensor(self.builder.constant(array), array.shape, array.dtype, plain(array.ndim))

    def value(self, tensor, order=None):
        """The name of the ONNX value of `tensor` with its axes in `order` (as the source has them by default)."""
        order = tuple(order or plain(tensor.rank))
        if tensor.dilation is not None:
            raise ConversionError("a SpaceToBatchND is followed by something else than a convolution")
        if tensor.order == order:
            return tensor.name
        key = (tensor.name, tensor.order, order)
        if key not in self._transposed:
            perm = [tensor.order[axis] for axis in np.argsort(order)]
            self._transposed[key] = self.builder.op("Transpose", tensor.name, perm=perm)
        return self._transposed[key]

    def make(self, op_type, inputs, shape, dtype=FLOAT32, order=None, **attributes):
        """A node with one output."""
        name = self.builder.op(op_type, *inputs, **attributes)
        return Tensor(name, tuple(shape), np.dtype(dtype), tuple(order or plain(len(shape))))

    # Element-wise operators.

    def unary(self, op_type, x, dtype=None, **attributes):
        name = self.builder.op(op_type, self.value(x, x.order), **attributes)
        return Tensor(name, x.shape, np.dtype(dtype or x.dtype), x.order)

    def clip(self, x, low, high):
        name = self.builder.op("Clip", self.value(x, x.order), np.float32(low), np.float32(high))
        return Tensor(name, x.shape, x.dtype, x.order)

    def cast(self, x, dtype):
        dtype = np.dtype(dtype)
        return x if x.dtype == dtype else self.unary("Cast", x, dtype, to=ONNX_TYPES[dtype])

    def broadcast(self, op_type, operands, dtype=None):
        """`operands`: Tensors and arrays, broadcast as numpy does."""
        tensors = [operand for operand in operands if isinstance(operand, Tensor)]
        rank = max(np.ndim(operand) if not isinstance(operand, Tensor) else operand.rank for operand in operands)
        orders = [tensor.order for tensor in tensors if tensor.rank == rank and tensor.order != plain(rank)]
        small = any(0 < tensor.rank < rank for tensor in tensors)
        order = plain(rank) if small or not orders else orders[0]
        # A Where's condition says nothing about the constants beside it.
        operand_dtype = next((tensor.dtype for tensor in tensors if tensor.dtype != BOOL), BOOL)
        names = [self._operand(operand, rank, order, operand_dtype) for operand in operands]
        shape = _broadcast_shape([operand.shape for operand in operands])
        return self.make(op_type, names, shape, dtype or operand_dtype, order)

    def _operand(self, operand, rank, order, dtype):
        if isinstance(operand, Tensor):
            return self.value(operand, order if operand.rank == rank else None)
        array = np.asarray(operand)
        if array.dtype.kind != "b":
            array = array.astype(dtype)
        if array.ndim and order != plain(rank):
            array = array.reshape((1,) * (rank - array.ndim) + array.shape).transpose(np.argsort(order))
        while array.ndim and array.shape[0] == 1:
            array = array[0]
        return self.builder.constant(array)

    def add(self, x, y):
        moved = self._into_convolution(x, y, scale=False) or self._into_convolution(y, x, scale=False)
        return moved or self.broadcast("Add", [x, y])

    def multiply(self, x, y):
        moved = self._into_convolution(x, y, scale=True) or self._into_convolution(y, x, scale=True)
        return moved or self.broadcast("Mul", [x, y])

    def _into_convolution(self, x, constant, scale):
        """`x` scaled or moved per channel by `constant`, in the convolution that makes x; None if it is not so."""
        if not isinstance(x, Tensor) or isinstance(constant, Tensor) or x.convolution is None:
            return None
        made = x.convolution
        channels = x.shape[-1]
        array = np.asarray(constant, np.float32)
        if array.size != channels or array.shape[-1:] != (channels,) or array.ndim > 4 or x.order != CHANNELS_LAST:
            return None
        array = array.reshape(-1)
        if scale and made.op_type == "Conv":
            kernel = made.kernel * array.reshape((-1,) + (1,) * (made.kernel.ndim - 1))
            bias = None if made.bias is None else made.bias * array
        elif not scale:
            kernel = made.kernel
            bias = array if made.bias is None else made.bias + array
        else:
            return None
        return self._emit(dataclasses.replace(made, kernel=kernel, bias=bias), x.shape)

    # Convolutions and pools; `x` is logically N, H, W, C.

    def _emit(self, made, shape):
        inputs = [made.x, made.kernel] + ([] if made.bias is None else [made.bias])
        tensor = self.make(made.op_type, inputs, shape, order=CHANNELS_LAST, **made.attributes)
        tensor.convolution = made
        return tensor

    def _windowed(self, x, pad_value, window, strides, padding, dilations=(1, 1)):
        """(input, pads per ONNX, output sides). `padding`: "SAME", "VALID" or ((top, bottom), (left, right)).
        `pad_value`: with what the operator pads; None if it pads with nothing."""
        lengths = [(size - 1) * dilation + 1 for size, dilation in zip(window, dilations, strict=True)]
        mergeable = x.unpadded is not None and x.pad_value == pad_value and x.pads[0] == x.pads[3] == (0, 0)
        if padding == "VALID" and mergeable:
            padding, x = x.pads[1:3], x.unpadded
        if padding == "SAME":
            pads = [same_padding(x.shape[1 + i], lengths[i], strides[i]) for i in range(2)]
        elif padding == "VALID":
            pads = [(0, 0), (0, 0)]
        else:
            pads = list(padding)
        sides = [spatial_output(x.shape[1 + i], lengths[i], strides[i], sum(pads[i])) for i in range(2)]
        flat = [pads[0][0], pads[1][0], pads[0][1], pads[1][1]]
        return x, flat, sides

    def convolution(self, x, kernel, strides, padding, dilations=(1, 1), bias=None):
        """`kernel`: [out, in / groups, height, width]."""
        if x.dilation is not None:
            x, dilations = dataclasses.replace(x, dilation=None), x.dilation
        x, pads, sides = self._windowed(x, 0.0, kernel.shape[2:], strides, padding, dilations)
        channels = x.shape[3]
        if isinstance(channels, Side) or channels % kernel.shape[1] or kernel.shape[0] % (channels // kernel.shape[1]):
            raise ConversionError(f"a kernel of shape {list(kernel.shape)} does not fit {channels} channels")
        attributes = {"kernel_shape": list(kernel.shape[2:]), "pads": pads, "strides": list(strides)}
        if tuple(dilations) != (1, 1):
            attributes["dilations"] = list(dilations)
        if channels != kernel.shape[1]:
            attributes["group"] = channels // kernel.shape[1]
        kernel = np.ascontiguousarray(kernel, np.float32)
        made = Convolution(self.value(x, CHANNELS_LAST), kernel, bias, attributes)
        return self._emit(made, (x.shape[0], *sides, kernel.shape[0]))

    def transposed_convolution(self, x, kernel, strides, padding, sides):
        """`kernel`: [in, out, height, width]; `sides`: the output's height and width."""
        pads = [(0, 0), (0, 0)]
        for i in range(2):
            total = max((x.shape[1 + i] - 1) * strides[i] + kernel.shape[2 + i] - sides[i], 0)
            missing = sides[i] - ((x.shape[1 + i] - 1) * strides[i] + kernel.shape[2 + i] - total)
            if missing or (padding == "VALID" and total):
                raise ConversionError(f"a transposed convolution to {list(sides)} is not covered")
            pads[i] = (total // 2, total - total // 2)
        attributes = {
            "kernel_shape": list(kernel.shape[2:]),
            "strides": list(strides),
            "pads": [pads[0][0], pads[1][0], pads[0][1], pads[1][1]],
        }
        kernel = np.ascontiguousarray(kernel, np.float32)
        made = Convolution(self.value(x, CHANNELS_LAST), kernel, None, attributes, "ConvTranspose")
        return self._emit(made, (x.shape[0], *sides, kernel.shape[1]))

    def pool(self, op_type, x, window, strides, padding):
        if op_type == "AveragePool" and all(x.shape[1 + i] == window[i] for i in range(2)) and padding == "VALID":
            return self.make(
                "GlobalAveragePool", [self.value(x, CHANNELS_LAST)], (x.shape[0], 1, 1, x.shape[3]), order=CHANNELS_LAST
            )
        # An average pool leaves its padding out of the count.
        pad_value = -np.inf if op_type == "MaxPool" else None
        x, pads, sides = self._windowed(x, pad_value, window, strides, padding)
        return self.make(
            op_type,
            [self.value(x, CHANNELS_LAST)],
            (x.shape[0], *sides, x.shape[3]),
            order=CHANNELS_LAST,
            kernel_shape=list(window),
            pads=pads,
            strides=list(strides),
        )

    def depth_to_space(self, x, block):
        shape = (x.shape[0], x.shape[1] * block, x.shape[2] * block, x.shape[3] // (block * block))
        value = self.value(x, CHANNELS_LAST)
        return self.make("DepthToSpace", [value], shape, order=CHANNELS_LAST, blocksize=block, mode="DCR")

    def resize(self, x, sides, half_pixel, align_corners, mode="linear"):
        if tuple(x.shape[1:3]) == tuple(sides):
            return x
        coordinates = "align_corners" if align_corners else "half_pixel" if half_pixel else "asymmetric"
        attributes = {"mode": mode, "coordinate_transformation_mode": coordinates}
        if mode == "nearest":
            attributes["nearest_mode"] = "floor"
        scales = [_ratio(new, old) for new, old in zip(sides, x.shape[1:3], strict=True)]
        if None in scales:
            raise ConversionError(f"cannot resize {list(x.shape)} to {list(sides)}")
        inputs = [self.value(x, CHANNELS_LAST), "", np.array([1, 1, *scales], np.float32)]
        return self.make("Resize", inputs, (x.shape[0], *sides, x.shape[3]), order=CHANNELS_LAST, **attributes)

    # Shapes.

    def transpose(self, x, perm):
        """No node: the new order of the same value."""

        def turned(tensor):
            return dataclasses.replace(
                tensor,
                shape=tuple(tensor.shape[axis] for axis in perm),
                order=tuple(tensor.order[axis] for axis in perm),
                unpadded=None if tensor.unpadded is None else turned(tensor.unpadded),
                pads=tuple(tensor.pads[axis] for axis in perm) if tensor.pads else (),
                convolution=None if tuple(perm) != plain(tensor.rank) else tensor.convolution,
            )

        return turned(x)

    def pad(self, x, pads, value=0.0):
        """`pads`: (before, after) per logical axis."""
        order = x.order
        pads = tuple((int(before), int(after)) for before, after in pads)
        by_axis = [pads[axis] for axis in np.argsort(order)]
        ends = [before for before, _ in by_axis] + [after for _, after in by_axis]
        inputs = [self.value(x, order), np.array(ends, np.int64), np.asarray(value, x.dtype)]
        shape = [side + before + after for side, (before, after) in zip(x.shape, pads, strict=True)]
        padded = self.make("Pad", inputs, shape, x.dtype, order)
        padded.unpadded, padded.pads, padded.pad_value = x, pads, float(value)
        if value <= np.finfo(np.float32).min:
            padded.pad_value = -np.inf
        return padded

    def concat(self, tensors, axis):
        rank = tensors[0].rank
        axis %= rank
        order = next((tensor.order for tensor in tensors if tensor.order != plain(rank)), plain(rank))
        total = tensors[0].shape[axis]
        for tensor in tensors[1:]:
            total = total + tensor.shape[axis]
        shape = [*tensors[0].shape[:axis], total, *tensors[0].shape[axis + 1 :]]
        names = [self.value(tensor, order) for tensor in tensors]
        return self.make("Concat", names, shape, tensors[0].dtype, order, axis=order[axis])

    def split(self, x, sizes, axis):
        axis %= x.rank
        if len(sizes) == 1:
            return [x]
        sizes_name = self.builder.constant(np.array(sizes, np.int64))
        names = self.builder.op("Split", self.value(x, x.order), sizes_name, outputs=len(sizes), axis=x.order[axis])
        return [
            Tensor(name, (*x.shape[:axis], int(size), *x.shape[axis + 1 :]), x.dtype, x.order)
            for name, size in zip(names, sizes, strict=True)
        ]

    def slice(self, x, axes, starts, ends, steps):
        shape = list(x.shape)
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
            if isinstance(shape[axis], Side):
                raise ConversionError(f"cannot cut the open side {shape[axis]}")
            shape[axis] = len(range(shape[axis])[start : None if end is None else end : step])
        last = [
            (INT_MAX if step > 0 else -INT_MAX) if end is None else end for end, step in zip(ends, steps, strict=True)
        ]
        parameters = [np.array(v, np.int64) for v in (starts, last, [x.order[axis] for axis in axes], steps)]
        return self.make("Slice", [self.value(x, x.order), *parameters], shape, x.dtype, x.order)

    def reshape(self, x, shape):
        shape = tuple(shape)
        if shape == x.shape:
            return x
        number, names = product(x.shape)
        if (number, names) != product(shape):
            raise ConversionError(f"cannot reshape {list(x.shape)} to {list(shape)}")
        # Sides of 1 may lie anywhere: if only they are out of order, no element moves.
        moving = [axis for axis in range(x.rank) if x.shape[axis] != 1]
        in_order = sorted(moving, key=lambda axis: x.order[axis]) == moving
        target = []
        for i, side in enumerate(shape):
            if not isinstance(side, Side):
                target.append(int(side))
            elif i < x.rank and x.shape[i] == side and (not in_order or x.order[i] == i):
                target.append(0)
            elif -1 not in target:
                target.append(-1)
            else:
                raise ConversionError(f"cannot reshape {list(x.shape)} to {list(shape)}: too many open sides")
        value = self.value(x, x.order if in_order else None)
        return self.make("Reshape", [value, np.array(target, np.int64)], shape, x.dtype)

    def reshape_to(self, x, target):
        """As `reshape`, for a shape from the source: it may hold one -1, and 1 where the batch is open."""
        shape = list(target)
        number, names = product(x.shape)
        if names and not any(isinstance(side, Side) for side in shape):
            if names != [x.shape[0]] or not shape or shape[0] not in (1, -1):
                raise ConversionError(f"reshapes {list(x.shape)} to {shape}: the graph is made for a batch of 1")
            shape[0] = x.shape[0]
        if -1 in shape:
            rest, rest_names = product(side for side in shape if side != -1)
            missing = [name for name in names if name not in rest_names]
            if number % rest or len(missing) > 1:
                raise ConversionError(f"cannot reshape {list(x.shape)} to {shape}")
            side = missing[0] * (number // rest) if missing else number // rest
            shape[shape.index(-1)] = side
        return self.reshape(x, shape)

    def reduce(self, op_type, x, axes, keep):
        axes = sorted(axis % x.rank for axis in axes)
        if not keep and x.order != plain(x.rank):
            x = Tensor(self.value(x), x.shape, x.dtype, plain(x.rank))
        shape = [1 if i in axes else side for i, side in enumerate(x.shape) if keep or i not in axes]
        value = self.value(x, x.order)
        on = sorted(x.order[axis] for axis in axes)
        order = x.order if keep else None
        if op_type == "ReduceMean" and keep and x.order == CHANNELS_LAST and axes == [1, 2]:
            return self.make("GlobalAveragePool", [value], shape, x.dtype, order)
        if op_type == "ReduceSum":
            return self.make(op_type, [value, np.array(on, np.int64)], shape, x.dtype, order, keepdims=int(keep))
        return self.make(op_type, [value], shape, x.dtype, order, axes=on, keepdims=int(keep))


def _open(side):
    return side if isinstance(side, int) else int(side) if isinstance(side, np.integer) else str(side)


def _ratio(new, old):
    if isinstance(new, Side) or isinstance(old, Side):
        return new.ratio(old) if isinstance(new, Side) else None
    return new / old


def _broadcast_shape(shapes):
    rank = max(len(shape) for shape in shapes)
    result = []
    for i in range(-rank, 0):
        sides = {shape[i] for shape in shapes if len(shape) >= -i and shape[i] != 1}
        if len(sides) > 1:
            raise ConversionError(f"cannot broadcast sides {sorted(map(str, sides))}")
        result.append(sides.pop() if sides else 1)
    return tuple(result)
