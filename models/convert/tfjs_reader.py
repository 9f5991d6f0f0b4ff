# SPDX-License-Identifier: Apache-2.0
"""Reads a TensorFlow.js graph model: model.json and its shards of weights (also quantised ones)."""

import base64
import json
import os

import numpy as np

from errors import ConversionError
from tf_graph import Graph, Node, source

_DTYPES = {
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "int32": np.dtype("<i4"),
    "uint8": np.dtype("u1"),
    "uint16": np.dtype("<u2"),
    "bool": np.dtype("?"),
}


def _attribute(value):
    if len(value) != 1:
        return None
    ((kind, content),) = value.items()
    if kind == "s":
        return base64.b64decode(content).decode()
    if kind == "i":
        return int(content)
    if kind == "shape":
        return _shape(content)
    if kind == "list":
        return [_attribute({key: item}) for key, items in content.items() for item in items]
    return content


def _shape(content):
    if content.get("unknownRank"):
        return None
    return tuple(int(side["size"]) for side in content.get("dim", []))


def _weights(manifest, shards):
    """The arrays by name. Every byte of the shards must belong to one."""
    arrays = {}
    for group in manifest:
        data = b"".join(shards[os.path.basename(path)] for path in group["paths"])
        at = 0
        for weight in group["weights"]:
            shape = tuple(weight["shape"])
            scheme = weight.get("quantization")
            dtype = _DTYPES[scheme["dtype"] if scheme else weight["dtype"]]
            count = int(np.prod(shape, dtype=np.int64))
            if at + count * dtype.itemsize > len(data):
                raise ConversionError(f"weight {weight['name']} lies beyond the end of its shard")
            array = np.frombuffer(data, dtype, count, at).reshape(shape)
            at += count * dtype.itemsize
            if scheme and dtype.kind == "u":
                array = array.astype(np.float32) * np.float32(scheme["scale"]) + np.float32(scheme["min"])
            if scheme:
                array = array.astype(_DTYPES[weight["dtype"]])
            arrays[weight["name"]] = array
        if at != len(data):
            raise ConversionError(f"{len(data) - at} bytes of {', '.join(group['paths'])} belong to no weight")
    return arrays


def read(paths):
    """`paths`: the .json and all shards that it names, in any order."""
    try:
        return _read(paths)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ConversionError(f"{paths[0]}: no TensorFlow.js graph model ({type(error).__name__}: {error})") from None


def _read(paths):
    descriptions = [path for path in paths if path.endswith(".json")]
    if len(descriptions) != 1:
        raise ConversionError("give one .json and its .bin files")
    with open(descriptions[0], encoding="utf-8") as file:
        model = json.load(file)
    if model.get("format") != "graph-model":
        raise ConversionError(f"{descriptions[0]}: not a TensorFlow.js graph model")
    shards = {}
    for path in paths:
        if not path.endswith(".json"):
            with open(path, "rb") as file:
                shards[os.path.basename(path)] = file.read()
    named = {os.path.basename(path) for group in model["weightsManifest"] for path in group["paths"]}
    if named != set(shards):
        raise ConversionError(f"{descriptions[0]} names the files {sorted(named)}, given are {sorted(shards)}")
    arrays = _weights(model["weightsManifest"], shards)

    nodes = {}
    for node in model["modelTopology"]["node"]:
        inputs = [name for name in node.get("input", []) if not name.startswith("^")]
        controls = [name[1:] for name in node.get("input", []) if name.startswith("^")]
        attributes = {name: _attribute(value) for name, value in node.get("attr", {}).items()}
        nodes[node["name"]] = Node(node["name"], node["op"], inputs, controls, attributes)
    constants = {name for name, node in nodes.items() if node.op == "Const"}
    if constants != set(arrays):
        some = sorted(constants ^ set(arrays))[0]
        raise ConversionError(f"{descriptions[0]}: weight {some} is missing or unused")
    signature = model.get("signature") or model["userDefinedMetadata"]["signature"]

    def interface(entries):
        names = {name: name.partition(":")[0] for name in sorted(entries)}
        short = {name: path.rpartition("/")[2] for name, path in names.items()}
        if len(set(short.values())) < len(short):
            short = {name: path.replace("/", "_") for name, path in names.items()}
        return [
            (short[name], entries[name]["name"].removesuffix(":0"), _shape(entries[name]["tensorShape"]))
            for name in names
        ]

    graph = Graph(nodes, arrays, interface(signature["inputs"]), interface(signature["outputs"]))
    for _, reference, _ in graph.inputs + graph.outputs:
        if source(reference)[0] not in nodes:
            raise ConversionError(f"{descriptions[0]}: the signature names {reference}, which is no node")
    return graph
