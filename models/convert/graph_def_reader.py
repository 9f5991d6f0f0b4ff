# SPDX-License-Identifier: Apache-2.0
"""Reads a frozen TensorFlow graph (a binary GraphDef), without TensorFlow.

Follows the wire format of protocol buffers and knows the few messages of tensorflow/core/framework that hold nodes,
attributes and tensors.
"""

import struct

import numpy as np

from errors import ConversionError
from tf_graph import NUMPY_TYPES, Graph, Node

# enum DataType
_TYPES = {1: "DT_FLOAT", 2: "DT_DOUBLE", 3: "DT_INT32", 4: "DT_UINT8", 9: "DT_INT64", 10: "DT_BOOL", 19: "DT_HALF"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def _varint(data, at):
    result = shift = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return result, at


def _fields(data):
    """(number, value) of each field: an int, or the bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
        elif kind in (_BYTES, _FIXED64, _FIXED32):
            size, at = _varint(data, at) if kind == _BYTES else (8 if kind == _FIXED64 else 4, at)
            value, at = data[at : at + size], at + size
            if len(value) != size:
                raise ValueError("ends inside a field")
        else:
            raise ValueError(f"wire type {kind}")
        yield number, value


def _all(data, number):
    return [value for field, value in _fields(data) if field == number]


def _signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(value):
    return bytes(value).decode()


def _shape(data):
    """TensorShapeProto: dim = 2 {size = 1}, unknown_rank = 3."""
    if _all(data, 3) and _all(data, 3)[-1]:
        return None
    return tuple(_signed((_all(dim, 1) or [0])[-1]) for dim in _all(data, 2))


def _repeated(data, number, format, size):
    """A repeated number of fixed size, packed or not."""
    joined = b"".join(bytes(value) for value in _all(data, number))
    return [item[0] for item in struct.iter_unpack(format, joined[: len(joined) // size * size])]


def _varints(data, number):
    items = []
    for value in _all(data, number):
        if isinstance(value, int):
            items.append(_signed(value))
            continue
        at = 0
        while at < len(value):
            item, at = _varint(value, at)
            items.append(_signed(item))
    return items


def _tensor(data):
    """TensorProto: dtype = 1, tensor_shape = 2, tensor_content = 4, then values by type."""
    code = _all(data, 1)[-1]
    if code not in _TYPES:
        return None  # Text, for messages of assertions.
    dtype = np.dtype(NUMPY_TYPES[_TYPES[code]])
    shape = _shape((_all(data, 2) or [b""])[-1])
    content = _all(data, 4)
    if content and len(content[-1]):
        return np.frombuffer(bytes(content[-1]), dtype.newbyteorder("<")).reshape(shape)
    if dtype == np.float32:
        values = _repeated(data, 5, "<f", 4)
    elif dtype == np.float64:
        values = _repeated(data, 6, "<d", 8)
    else:
        values = _varints(data, {np.dtype(np.int64): 10, np.dtype(np.bool_): 11}.get(dtype, 7))
    count = int(np.prod(shape, dtype=np.int64))
    # Values that are left out at the end repeat the last one.
    values = (values or [0]) + [(values or [0])[-1]] * (count - max(len(values), 1))
    return np.array(values[:count], dtype).reshape(shape)


def _attribute(data):
    """AttrValue."""
    for number, value in _fields(data):
        if number == 1:
            items = [_text(item) for item in _all(value, 2)] or _varints(value, 3)
            return items or _repeated(value, 4, "<f", 4)
        if number == 2:
            return bytes(value).decode(errors="replace")
        if number == 3:
            return _signed(value)
        if number == 4:
            return struct.unpack("<f", value)[0]
        if number == 5:
            return bool(value)
        if number == 6:
            return _TYPES.get(value, f"type {value}")
        if number == 7:
            return _shape(value)
        if number == 8:
            return _tensor(value)
    return None


def read(path):
    """The graph, without inputs and outputs: a GraphDef names none. ConversionError if it is damaged."""
    with open(path, "rb") as file:
        data = memoryview(file.read())
    nodes, constants = {}, {}
    try:
        for node in _all(data, 1):  # GraphDef: node = 1; NodeDef: name = 1, op = 2, input = 3, attr = 5
            name, op = _text(_all(node, 1)[-1]), _text(_all(node, 2)[-1])
            references = [_text(item) for item in _all(node, 3)]
            inputs = [item for item in references if not item.startswith("^")]
            controls = [item[1:] for item in references if item.startswith("^")]
            attributes = {
                _text(_all(entry, 1)[-1]): _attribute((_all(entry, 2) or [b""])[-1]) for entry in _all(node, 5)
            }
            if op == "Const":
                constants[name] = attributes.pop("value")
            nodes[name] = Node(name, op, inputs, controls, attributes)
    except (IndexError, ValueError, TypeError, KeyError, struct.error) as error:
        raise ConversionError(f"{path}: no frozen TensorFlow graph ({type(error).__name__}: {error})") from None
    if not nodes:
        raise ConversionError(f"{path}: no frozen TensorFlow graph (it has no nodes)")
    return Graph(nodes, constants, [], [])
