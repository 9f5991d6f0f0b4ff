# SPDX-License-Identifier: Apache-2.0
"""Builds an ONNX graph node by node. Knows names, constants and the file; knows no model and no source format."""

import os
import tempfile

import numpy as np
import onnx
from onnx import helper, numpy_helper

from errors import ConversionError

OPSET = 17
# The IR version of opset 17, so that older runtimes read the file too.
IR_VERSION = 8


class GraphBuilder:
    def __init__(self, name, reserved=()):
        """`reserved`: names that inputs and outputs will have, so that no other value gets them."""
        self._name = name
        self._reserved = frozenset(reserved)
        self._nodes = []
        self._initializers = {}
        self._constants = {}
        self._inputs = []
        self._outputs = []
        self._counts = {}

    def input(self, name, dtype, shape):
        """`shape`: an int, or a name for a side that is open."""
        self._inputs.append(
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
        )
        return name

    def output(self, value, name, dtype, shape):
        """Gives `value` out under `name`."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name))
        self._outputs.append(
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
        )

    def constant(self, array, name="const"):
        """An initializer; equal ones are kept once."""
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._fresh(name)
            self._initializers[self._constants[key]] = array
        return self._constants[key]

    def ints(self, *values):
        return self.constant(np.array(values, np.int64), "ints")

    def op(self, op_type, *inputs, outputs=1, **attributes):
        """Adds a node; returns its output, or a list if `outputs` > 1. `inputs`: values, or arrays for constants."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        name = self._fresh(op_type.lower())
        results = [name] if outputs == 1 else [f"{name}_{i}" for i in range(outputs)]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self._nodes.append(helper.make_node(op_type, names, results, name, **attributes))
        return results[0] if outputs == 1 else results

    def _fresh(self, prefix):
        while True:
            self._counts[prefix] = self._counts.get(prefix, -1) + 1
            name = f"{prefix}_{self._counts[prefix]}"
            if name not in self._reserved:
                return name

    def model(self, metadata=None):
        """The checked model, without the nodes that no output needs."""
        nodes = self._without_output_identities()
        needed = {info.name for info in self._outputs}
        kept = []
        for node in reversed(nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        kept.reverse()
        initializers = [
            numpy_helper.from_array(array, name) for name, array in self._initializers.items() if name in needed
        ]
        graph = helper.make_graph(kept, self._name, self._inputs, self._outputs, initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        model.producer_name = "reelsight"
        helper.set_model_props(model, metadata or {})
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ConversionError("the converted graph is not valid: " + " ".join(str(error).split())) from None
        return model

    def _without_output_identities(self):
        """An output's Identity goes where its value can carry the output's name instead."""
        outputs = {info.name for info in self._outputs}
        inputs = {info.name for info in self._inputs}
        renamed = {}
        nodes = []
        for node in self._nodes:
            is_output = node.op_type == "Identity" and node.output[0] in outputs
            value = node.input[0] if is_output else ""
            if is_output and value not in renamed and value not in inputs and value not in self._initializers:
                renamed[value] = node.output[0]
            else:
                nodes.append(node)
        for node in nodes:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    names[i] = renamed.get(name, name)
        return nodes


def save(model, path):
    """Writes the file in one step: a reader sees the whole file or none. Equal models give equal bytes."""
    folder = os.path.dirname(os.path.abspath(path))
    handle, partial = tempfile.mkstemp(prefix=".convert-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(model.SerializeToString(deterministic=True))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise
