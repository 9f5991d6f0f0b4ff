# SPDX-License-Identifier: Apache-2.0
"""SSD detectors of TensorFlow's Object Detection API (2018), from their frozen_inference_graph.pb.

    image   float32 [n, 3, 300, 300]  RGB, 0 to 255
    boxes   float32 [n, 1917, 4]      left, top, right, bottom as parts of the picture, not clipped to it
    scores  float32 [n, 1917, 90]     of the classes 1 to 90 of COCO's ids, each by its own sigmoid

The graph's resizing before and its suppression after are loops of many nodes; the caller does both. The anchors, which
the graph computes, are constants here.
"""

import numpy as np

import graph_def_reader
from errors import ConversionError
from tf_importer import Importer

SIDE_PX = 300
# What the graph's parts are called in every SSD of that API.
PICTURE = "Preprocessor/map/TensorArrayStack/TensorArrayGatherV3"
ENCODINGS, LOGITS, ANCHORS = "Squeeze", "concat_1", "Concatenate/concat"
# Of FasterRcnnBoxCoder, by y, x, height, width.
CODER_SCALES = tuple(f"Postprocessor/Decode/{name}/y" for name in ("div", "div_1", "div_2", "div_3"))
WEIGHT_PARTS = ("FeatureExtractor/", "BoxPredictor_")


def convert(paths):
    (path,) = paths
    source = graph_def_reader.read(path)
    missing = [name for name in (PICTURE, ENCODINGS, LOGITS, ANCHORS, *CODER_SCALES) if name not in source.nodes]
    if missing:
        raise ConversionError(f"{path}: no SSD of the Object Detection API: it has no node {missing[0]}")
    source.inputs.append(("image", PICTURE, (1, SIDE_PX, SIDE_PX, 3)))
    importer = Importer("ssd", source)
    encodings, logits, anchors = importer.run([ENCODINGS, LOGITS, ANCHORS])
    unused = [name for name in importer.unused() if name.startswith(WEIGHT_PARTS)]
    if unused:
        raise ConversionError(f"{path}: {len(unused)} weights are not used, {unused[0]} for one")
    count = encodings.shape[1]
    if encodings.shape[1:] != (count, 4) or anchors.shape != (count, 4) or logits.shape[1] != count:
        raise ConversionError(
            f"{path}: boxes {list(encodings.shape)}, classes {list(logits.shape)}, anchors {anchors.shape}"
        )

    layout = importer.target
    graph = layout.builder
    # Class 0 is the background.
    classes = logits.shape[2] - 1
    scores = graph.op("Sigmoid", layout.value(layout.slice(logits, [2], [1], [None], [1])))
    y_scale, x_scale, height_scale, width_scale = (float(source.constants[name]) for name in CODER_SCALES)
    top, left, bottom, right = np.asarray(anchors, np.float64).T
    width, height = right - left, bottom - top
    # Centre and size of each box, both x before y.
    order = np.array([1, 0, 3, 2], np.int64)
    codes = graph.op("Gather", layout.value(encodings), order, axis=2)
    moved, grown = graph.op("Split", codes, graph.ints(2, 2), outputs=2, axis=2)

    def by_anchor(*columns):
        return np.stack(columns, axis=1)[None].astype(np.float32)

    center = graph.op("Mul", moved, by_anchor(width / x_scale, height / y_scale))
    center = graph.op("Add", center, by_anchor(left + width / 2, top + height / 2))
    half = graph.op("Exp", graph.op("Mul", grown, np.array([1 / width_scale, 1 / height_scale], np.float32)))
    half = graph.op("Mul", half, by_anchor(width / 2, height / 2))
    boxes = graph.op("Concat", graph.op("Sub", center, half), graph.op("Add", center, half), axis=2)
    graph.output(boxes, "boxes", np.float32, ["n", count, 4])
    graph.output(scores, "scores", np.float32, ["n", count, classes])
    return graph.model()
