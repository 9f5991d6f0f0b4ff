# SPDX-License-Identifier: Apache-2.0
"""A TensorFlow graph as the readers give it and the importer takes it."""

import dataclasses

import numpy as np

from errors import ConversionError


@dataclasses.dataclass
class Node:
    name: str
    op: str
    inputs: list  # "node" or "node:1"
    controls: list  # nodes that only have to run before
    attributes: dict  # decoded: bytes as str, lists as list, shapes as tuple (-1: open) or None


@dataclasses.dataclass
class Graph:
    nodes: dict  # by name
    constants: dict  # arrays by the name of their Const node
    # (name in the model, node[:output], shape or None); a shape's -1 is open.
    inputs: list
    outputs: list


def source(reference):
    """ "node:1" as ("node", 1)."""
    name, _, index = reference.partition(":")
    return name, int(index or 0)


def in_order(graph, targets, leaves=()):
    """The nodes that `targets` need, each after its inputs, those of `leaves` without. ConversionError for a cycle or a
    missing node."""
    done, order = {}, []
    stack = [(name, False) for name in reversed(targets)]
    while stack:
        name, inputs_done = stack.pop()
        if inputs_done:
            done[name] = True
            order.append(graph.nodes[name])
            continue
        if name in done:
            if not done[name]:
                raise ConversionError(f"the graph has a cycle at {name}")
            continue
        if name not in graph.nodes:
            raise ConversionError(f"the graph refers to node {name}, which it does not have")
        done[name] = False
        stack.append((name, True))
        inputs = [] if name in leaves else [source(reference)[0] for reference in graph.nodes[name].inputs]
        stack += [(reference, False) for reference in inputs if not done.get(reference)]
    return order


def unused_constants(graph, targets):
    """The constants that `targets` do not need, not even to run before something."""
    reached, stack = set(), list(targets)
    while stack:
        name = stack.pop()
        if name not in reached:
            reached.add(name)
            node = graph.nodes[name]
            stack += [source(reference)[0] for reference in node.inputs] + node.controls
    return sorted(set(graph.constants) - reached)


NUMPY_TYPES = {
    "DT_FLOAT": np.float32,
    "DT_HALF": np.float16,
    "DT_DOUBLE": np.float64,
    "DT_INT32": np.int32,
    "DT_INT64": np.int64,
    "DT_UINT8": np.uint8,
    "DT_BOOL": np.bool_,
}
