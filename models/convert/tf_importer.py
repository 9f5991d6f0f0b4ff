# SPDX-License-Identifier: Apache-2.0
"""Turns a TensorFlow graph (inference operators, channels last) into ONNX, node by node.

Everything that depends on shapes alone is computed here and leaves no node: Shape, Size, the arithmetic on sizes, and
the branches (Switch, Merge) that a constant decides.
"""

import numpy as np

import tf_ops
from errors import ConversionError
from layout_graph import CHANNELS_LAST, FLOAT32, LayoutGraph, Tensor, plain
from sides import Side
from tf_fold import fold, sides_of
from tf_graph import in_order, source

# The output of a branch that is not taken.
DEAD = object()


class Importer:
    def __init__(self, name, graph, open_batch=True, fixed=None):
        """`open_batch`: the first side of inputs is open even where the source has 1. `fixed`: values of inputs that
        become constants, by name."""
        self.target = LayoutGraph(name, [interface for interface, _, _ in graph.inputs + graph.outputs])
        self._graph = graph
        self._open_batch = open_batch
        self._fixed = fixed or {}
        self._values = {}
        self._inputs = {source(reference)[0]: (name, shape) for name, reference, shape in graph.inputs}

    def run(self, references):
        """Imports what the outputs `references` need, and returns their values."""
        for node in in_order(self._graph, [source(reference)[0] for reference in references], self._inputs):
            if node.name not in self._values:
                try:
                    self._values[node.name] = self._import(node)
                except ConversionError as error:
                    raise ConversionError(f"{node.op} {node.name}: {error}") from None
                except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
                    raise ConversionError(
                        f"{node.op} {node.name}: not as expected ({type(error).__name__}: {error})"
                    ) from None
        return [self._at(reference) for reference in references]

    def unused(self):
        """Constants that nothing imported so far needs."""
        return sorted(set(self._graph.constants) - set(self._values))

    def _at(self, reference):
        name, index = source(reference)
        return self._values[name][index]

    def _import(self, node):
        if node.name in self._inputs:
            return [self._input(node)]
        if node.op == "Const":
            return [self._graph.constants[node.name]]
        inputs = [self._at(reference) for reference in node.inputs]
        if node.op == "Merge":
            return [next((value for value in inputs if value is not DEAD), DEAD)]
        if DEAD in [value for value in inputs if value is DEAD]:
            return [DEAD] * 16
        if node.op == "Switch":
            if isinstance(inputs[1], Tensor):
                raise ConversionError("the branch depends on the input")
            return [DEAD, inputs[0]] if inputs[1] else [inputs[0], DEAD]
        if node.op in ("Shape", "Size") and isinstance(inputs[0], Tensor):
            return [self._shape(node, inputs[0])]
        if node.op == "BroadcastTo" and isinstance(inputs[0], _Unshaped):
            return [inputs[0].given(self.target, sides_of(inputs[1]))]
        if not any(isinstance(value, (Tensor, _Unshaped)) for value in inputs):
            folded = fold(node, inputs)
            if folded is not None:
                return folded
            inputs = [self.target.constant(inputs[0]), *inputs[1:]]
        results = tf_ops.emit(self.target, node, inputs)
        return results if isinstance(results, list) else [results]

    def _shape(self, node, tensor):
        sides = np.empty(tensor.rank, object)
        sides[:] = tensor.shape
        if node.op == "Size":
            return np.prod(sides)
        return sides if any(isinstance(side, Side) for side in tensor.shape) else sides.astype(np.int32)

    def _input(self, node):
        name, shape = self._inputs[node.name]
        if name in self._fixed:
            return np.asarray(self._fixed[name])
        if shape is None:
            return _Unshaped(name)
        sides = [Side("nhwc"[i] if len(shape) == 4 else f"d{i}") if side < 0 else side for i, side in enumerate(shape)]
        if self._open_batch and (shape[0] == 1 or shape[0] < 0):
            sides[0] = Side("n")
        # Pictures come with channels first, whatever the source's order.
        order = CHANNELS_LAST if len(shape) == 4 and shape[3] == 3 else plain(len(shape))
        return self.target.input(name, sides, FLOAT32, order)


class _Unshaped:
    """An input whose shape the graph decides (it broadcasts the input to it): the recurrent states."""

    def __init__(self, name):
        self._name = name

    def given(self, target, shape):
        if shape is None:
            raise ConversionError(f"the shape of input {self._name} is not known")
        return target.input(self._name, shape, FLOAT32, CHANNELS_LAST if len(shape) == 4 else plain(len(shape)))
