# SPDX-License-Identifier: Apache-2.0
"""TensorFlow.js graph models. Pictures (inputs and outputs of four axes) have their channels first in the ONNX file.

The batch is open unless the graph is made for one picture. Models that broadcast their recurrent states get them as
inputs of the full shape. An input `downsample_ratio` (robust video matting) is fixed to 1: the caller scales.
"""

import sides
import tfjs_reader
from errors import ConversionError
from layout_graph import CHANNELS_LAST, plain
from tf_graph import source, unused_constants
from tf_importer import Importer

FIXED_INPUTS = {"downsample_ratio": 1.0}


def convert(paths):
    graph = tfjs_reader.read(paths)
    unused = unused_constants(graph, [source(reference)[0] for _, reference, _ in graph.outputs])
    if unused:
        raise ConversionError(f"{len(unused)} weights are not used, {unused[0]} for one")
    try:
        return _convert(graph, open_batch=True)
    except ConversionError:
        # Perhaps made for one picture; if that is not it, the second error is the one to tell.
        return _convert(graph, open_batch=False)


def _convert(graph, open_batch):
    sides.divisors.clear()
    fixed = {name: FIXED_INPUTS[name] for name, _, _ in graph.inputs if name in FIXED_INPUTS}
    importer = Importer("tfjs", graph, open_batch, fixed)
    values = importer.run([reference for _, reference, _ in graph.outputs])
    for (name, _, _), value in zip(graph.outputs, values, strict=True):
        importer.target.output(value, name, CHANNELS_LAST if value.rank == 4 else plain(value.rank))
    notes = {f"multiple_of.{name}": str(divisor) for name, divisor in sides.divisors.items() if name in "hw"}
    return importer.target.builder.model(notes)
