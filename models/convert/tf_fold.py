# SPDX-License-Identifier: Apache-2.0
"""Computes TensorFlow operators whose inputs are known: numbers, and sides of shapes that are still open.

A known value is a numpy array. One of dtype object holds ints, Sides, and None for what is not known.
"""

import numpy as np

from errors import ConversionError
from sides import Side
from tf_graph import NUMPY_TYPES


def simplify(array):
    """An int array where nothing in `array` is open."""
    if array.dtype == object and all(isinstance(item, (int, np.integer)) for item in array.reshape(-1)):
        return array.astype(np.int64)
    return array


def _elementwise(function):
    def fold(node, *arrays):
        if not any(array.dtype == object for array in arrays):
            return function(*arrays)
        arrays = np.broadcast_arrays(*arrays)
        result = np.empty(arrays[0].shape, object)
        for index in np.ndindex(result.shape):
            items = [array[index] for array in arrays]
            if all(item is not None for item in items):
                try:
                    result[index] = function(*items)
                except (ConversionError, TypeError, ValueError):
                    result[index] = None
        return simplify(result)

    return fold


def _cast(node, x):
    dtype = np.dtype(NUMPY_TYPES[node.attributes["DstT"]])
    if x.dtype == object:
        return x
    return np.trunc(x).astype(dtype) if dtype.kind == "i" and x.dtype.kind == "f" else x.astype(dtype)


def _pack(node, *arrays):
    if any(array.dtype == object for array in arrays):
        arrays = [array.astype(object) for array in arrays]
    return np.stack(arrays, int(node.attributes.get("axis", 0)))


def slice_plan(node, rank, begin, end, strides):
    """StridedSlice as (axis, start, end or None, step) per cut axis, the axes to drop, and the new axes."""
    attributes = node.attributes
    masks = {
        name: int(attributes.get(f"{name}_mask", 0)) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    items = len(begin)
    cuts, dropped, new = [], [], []
    taken = sum(1 for i in range(items) if not (masks["new_axis"] | masks["ellipsis"]) >> i & 1)
    axis = position = 0
    for i in range(items):
        if masks["ellipsis"] >> i & 1:
            position += rank - taken
            axis += rank - taken
        elif masks["new_axis"] >> i & 1:
            new.append(position)
            position += 1
        elif masks["shrink_axis"] >> i & 1:
            start = int(begin[i])
            cuts.append((axis, start, None if start == -1 else start + 1, 1))
            dropped.append(axis)
            axis += 1
        else:
            start = None if masks["begin"] >> i & 1 else int(begin[i])
            stop = None if masks["end"] >> i & 1 else int(end[i])
            step = int(strides[i])
            if (start, stop, step) not in ((None, None, 1), (0, None, 1)):
                cuts.append((axis, (0 if step > 0 else -1) if start is None else start, stop, step))
            axis += 1
            position += 1
    return cuts, dropped, new


def _strided_slice(node, x, begin, end, strides):
    cuts, dropped, new = slice_plan(node, x.ndim, begin, end, strides)
    for axis, start, stop, step in cuts:
        x = x[(slice(None),) * axis + (slice(start, stop, step),)]
    x = np.squeeze(x, tuple(dropped)) if dropped else x
    for axis in new:
        x = np.expand_dims(x, axis)
    return x


def _slice(node, x, begin, size):
    ends = [None if side == -1 else int(start) + int(side) for start, side in zip(begin, size, strict=True)]
    return x[tuple(slice(int(start), end) for start, end in zip(begin, ends, strict=True))]


def _sparse_to_dense(node, indices, shape, values, default):
    result = np.full([int(side) for side in shape], default)
    for index, value in zip(
        indices.reshape(len(indices), max(result.ndim, 1)), np.broadcast_to(values, len(indices)), strict=True
    ):
        result[tuple(int(i) for i in index)] = value
    return result


def _squeeze(node, x):
    dims = node.attributes.get("squeeze_dims") or node.attributes.get("axis")
    return np.squeeze(x, tuple(dims)) if dims else np.squeeze(x)


def _unpack(node, x):
    axis = int(node.attributes.get("axis", 0))
    return [np.take(x, i, axis) for i in range(x.shape[axis])]


def _concat(node, *arrays):
    return np.concatenate(arrays[:-1], int(arrays[-1]))


_FOLDS = {
    "Add": _elementwise(lambda x, y: x + y),
    "AddV2": _elementwise(lambda x, y: x + y),
    "BiasAdd": _elementwise(lambda x, y: x + y),
    "Cast": _cast,
    "ConcatV2": _concat,
    "Equal": _elementwise(lambda x, y: x == y),
    "ExpandDims": lambda node, x, axis: np.expand_dims(x, int(axis)),
    "Fill": lambda node, shape, value: np.full([int(side) for side in shape], value),
    "FloorDiv": _elementwise(lambda x, y: x // y),
    "FloorMod": _elementwise(lambda x, y: x % y),
    "Identity": lambda node, x: x,
    "Maximum": _elementwise(np.maximum),
    "Minimum": _elementwise(np.minimum),
    "Mul": _elementwise(lambda x, y: x * y),
    "Pack": _pack,
    "Range": lambda node, start, limit, delta: np.arange(start, limit, delta),
    "RealDiv": _elementwise(lambda x, y: x / y),
    "Reshape": lambda node, x, shape: x.reshape([int(side) for side in shape]),
    "Rsqrt": lambda node, x: 1 / np.sqrt(x),
    "Size": lambda node, x: np.array(x.size, np.int64),
    "Slice": _slice,
    "SparseToDense": _sparse_to_dense,
    "Sqrt": lambda node, x: np.sqrt(x),
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "Sub": _elementwise(lambda x, y: x - y),
    "Tile": lambda node, x, multiples: np.tile(x, [int(count) for count in multiples]),
    "Transpose": lambda node, x, perm: np.transpose(x, [int(axis) for axis in perm]),
    "Unpack": _unpack,
}


def fold(node, arrays):
    """The outputs of `node` as a list, or None where it cannot be computed here."""
    if node.op not in _FOLDS:
        return None
    result = _FOLDS[node.op](node, *arrays)
    return [simplify(np.asarray(item)) for item in (result if isinstance(result, list) else [result])]


def sides_of(array):
    """A known shape as a tuple of ints and Sides, or None."""
    items = [item if isinstance(item, Side) else None if item is None else int(item) for item in array.reshape(-1)]
    return None if None in items else tuple(items)
