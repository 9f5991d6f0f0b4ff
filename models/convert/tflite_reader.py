# SPDX-License-Identifier: Apache-2.0
"""Reads a TensorFlow Lite model of one graph: its operators, and its constants as numpy arrays (sparse ones too)."""

import dataclasses
import struct

import numpy as np
import tflite

from errors import ConversionError

_DTYPES = {
    tflite.TensorType.FLOAT32: np.dtype("<f4"),
    tflite.TensorType.FLOAT16: np.dtype("<f2"),
    tflite.TensorType.INT32: np.dtype("<i4"),
    tflite.TensorType.INT64: np.dtype("<i8"),
    tflite.TensorType.BOOL: np.dtype("?"),
}
_OPERATORS = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
# From this place on the schema keeps the operator's number in a wider field.
_FIRST_WIDE_OPERATOR = 127


@dataclasses.dataclass
class Operator:
    name: str
    inputs: list  # numbers of tensors; -1: absent
    outputs: list
    options: object  # the table of flatbuffers that holds them, to be read by its class


@dataclasses.dataclass
class Model:
    operators: list
    constants: dict  # arrays by number of tensor
    names: list
    shapes: list
    inputs: list
    outputs: list


def _dense(sparsity, shape, values):
    """The sparse `values` as an array. Axes beyond the shape's are blocks of the axes that the block map names."""
    order = [int(axis) for axis in sparsity.TraversalOrderAsNumpy()]
    blocks = [int(axis) for axis in sparsity.BlockMapAsNumpy()] if sparsity.BlockMapLength() else []
    levels = []
    for i in range(sparsity.DimMetadataLength()):
        level = sparsity.DimMetadata(i)
        if level.Format() == tflite.DimensionType.DENSE:
            levels.append((level.DenseSize(), None, None))
        else:
            levels.append((0, _index_vector(level, "ArraySegments"), _index_vector(level, "ArrayIndices")))
    block_sizes = [levels[order.index(len(shape) + i)][0] for i in range(len(blocks))]
    result = np.zeros(shape, values.dtype)
    at = 0

    def walk(depth, position, parent):
        nonlocal at
        if depth == len(order):
            place = list(position[: len(shape)])
            for i, axis in enumerate(blocks):
                place[axis] = place[axis] * block_sizes[i] + position[len(shape) + i]
            result[tuple(place)] = values[at]
            at += 1
            return
        size, segments, indices = levels[depth]
        steps = (
            ((parent * size + i, i) for i in range(size))
            if segments is None
            else ((i, int(indices[i])) for i in range(int(segments[parent]), int(segments[parent + 1])))
        )
        for child, index in steps:
            position[order[depth]] = index
            walk(depth + 1, position, child)

    walk(0, [0] * len(order), 0)
    if at != len(values):
        raise ConversionError("a sparse tensor has values that its index does not name")
    return result


def _index_vector(level, field):
    kinds = {
        tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
        tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
        tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
    }
    vector = kinds[getattr(level, f"{field}Type")()]()
    table = getattr(level, field)()
    vector.Init(table.Bytes, table.Pos)
    return vector.ValuesAsNumpy()


def _constant(tensor, buffer, shape, name):
    if tensor.Type() not in _DTYPES:
        raise ConversionError(f"tensor {name}: quantised models are not read")
    dtype = _DTYPES[tensor.Type()]
    values = buffer.DataAsNumpy().view(dtype)
    if tensor.Sparsity() is not None:
        return _dense(tensor.Sparsity(), shape, values)
    return values.reshape(shape)


def read(path):
    """ConversionError if the file is damaged, or holds more than one graph."""
    with open(path, "rb") as file:
        data = file.read()
    if data[4:8] != b"TFL3":
        raise ConversionError(f"{path}: no TensorFlow Lite model")
    try:
        return _read(data)
    except ConversionError as error:
        raise ConversionError(f"{path}: {error}") from None
    except (struct.error, ValueError, IndexError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ConversionError(f"{path}: damaged ({type(error).__name__}: {error})") from None


def _read(data):
    model = tflite.Model.GetRootAsModel(data, 0)
    if model.SubgraphsLength() != 1:
        raise ConversionError(f"expected one graph, got {model.SubgraphsLength()}")
    graph = model.Subgraphs(0)
    constants, names, shapes = {}, [], []
    for i in range(graph.TensorsLength()):
        tensor = graph.Tensors(i)
        names.append(tensor.Name().decode())
        shapes.append(tuple(int(side) for side in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ())
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength():
            constants[i] = _constant(tensor, buffer, shapes[-1], names[-1])
    operators = []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        code = model.OperatorCodes(operator.OpcodeIndex())
        number = code.DeprecatedBuiltinCode()
        if number >= _FIRST_WIDE_OPERATOR:
            number = code.BuiltinCode()
        operators.append(
            Operator(
                _OPERATORS.get(number, f"operator {number}"),
                [int(item) for item in operator.InputsAsNumpy()],
                [int(item) for item in operator.OutputsAsNumpy()],
                operator.BuiltinOptions(),
            )
        )
    inputs, outputs = ([int(item) for item in items] for items in (graph.InputsAsNumpy(), graph.OutputsAsNumpy()))
    return Model(operators, constants, names, shapes, inputs, outputs)
