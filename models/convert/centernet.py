# SPDX-License-Identifier: Apache-2.0
"""CenterNet of the TensorFlow.js model mb3-centernet, for any number of pictures at once.

    images      float32 [n, 3, 512, 512]  RGB, 0 to 255
    detections  float32 [n, 100, 6]       left, top, right, bottom (pixels of the 512), score, class (COCO, 0 to 79);
                                          best score first, no suppression needed

The graph's own decoding is made for one picture, so its two heads are imported and decoded anew here: a cell is an
object where no neighbour of its class scores higher; the four distances are those to the box's sides.
"""

import numpy as np

import tfjs_reader
from errors import ConversionError
from layout_graph import CHANNELS_LAST, INT64
from tf_graph import source, unused_constants
from tf_importer import Importer

CLASSES, GRID, STRIDE_PX, DETECTIONS = 80, 128, 4, 100


def convert(paths):
    source_graph = tfjs_reader.read(paths)
    references = {name: reference for name, reference, _ in source_graph.outputs}
    if set(references) != {"detections", "keypoints", "wh"}:
        raise ConversionError(f"{paths[0]}: expected the outputs detections, keypoints, wh; got {sorted(references)}")
    unused = unused_constants(source_graph, [source(reference)[0] for reference in references.values()])
    if unused:
        raise ConversionError(f"{len(unused)} weights are not used, {unused[0]} for one")
    importer = Importer("centernet", source_graph)
    scores, distances = importer.run([references["keypoints"], references["wh"]])
    if scores.shape[1:] != (GRID, GRID, CLASSES) or distances.shape[1:] != (GRID, GRID, 4):
        raise ConversionError(f"{paths[0]}: heads of shapes {list(scores.shape)} and {list(distances.shape)}")
    layout = importer.target
    _decode(layout.builder, layout.value(scores, CHANNELS_LAST), layout.value(distances, CHANNELS_LAST))
    return layout.builder.model()


def _decode(graph, scores, distances):
    cells = GRID * GRID
    highest = graph.op("MaxPool", scores, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])
    peaks = graph.op("Mul", scores, graph.op("Cast", graph.op("Equal", scores, highest), to=1))
    peaks = graph.op("Reshape", peaks, graph.ints(0, CLASSES * cells))
    best, index = graph.op("TopK", peaks, graph.ints(DETECTIONS), outputs=2, axis=1, largest=1, sorted=1)

    cell = graph.op("Mod", index, np.array(cells, INT64))
    label = graph.op("Div", index, np.array(cells, INT64))
    row = graph.op("Div", cell, np.array(GRID, INT64))
    column = graph.op("Mod", cell, np.array(GRID, INT64))

    def as_column(value):
        return graph.op("Unsqueeze", value, graph.ints(2))

    def as_floats(value):
        return as_column(graph.op("Cast", value, to=1))

    # [n, 4, cells] and the same cell four times to [n, 100, 4].
    places = graph.op("Concat", *[graph.op("Unsqueeze", cell, graph.ints(1))] * 4, axis=1)
    distances = graph.op("Reshape", distances, graph.ints(0, 4, cells))
    distances = graph.op("GatherElements", distances, places, axis=2)
    distances = graph.op("Transpose", distances, perm=[0, 2, 1])
    x = graph.op("Mul", as_floats(column), np.float32(STRIDE_PX))
    y = graph.op("Mul", as_floats(row), np.float32(STRIDE_PX))
    center = graph.op("Concat", x, y, x, y, axis=2)
    box = graph.op("Add", center, graph.op("Mul", distances, np.array([-1, -1, 1, 1], np.float32)))
    detections = graph.op("Concat", box, as_column(best), as_floats(label), axis=2)
    graph.output(detections, "detections", np.float32, ["n", DETECTIONS, 6])
