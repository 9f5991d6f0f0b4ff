# SPDX-License-Identifier: Apache-2.0
"""MoveNet MultiPose Lightning of TensorFlow.js, for any number of pictures at once.

    input     float32 [n, 3, 256, 256]  RGB, 0 to 255
    output_0  float32 [n, 6, 56]        for each person: 17 times y, x, score; then top, left, bottom, right, score.
                                        Places are parts of the picture; keypoints in COCO's order

The graph's own decoding is made for one picture, so its heads are imported and decoded anew here. A person is a peak of
the centre map. Each of their keypoints is first guessed from there, then taken where the keypoint's map, weighted by
the distance from the guess and cut to the person's box, is highest.
"""

import numpy as np

import tfjs_reader
from errors import ConversionError
from layout_graph import CHANNELS_LAST, INT64
from tf_graph import source, unused_constants
from tf_importer import Importer

PEOPLE, KEYPOINTS, GRID = 6, 17, 64
CELLS = GRID * GRID
# Head: its channels.
HEADS = {
    "center_0": 1,
    "box_offset_0": 2,
    "box_scale_0": 2,
    "kpt_heatmap_0": KEYPOINTS,
    "kpt_regress_0": 2 * KEYPOINTS,
    "kpt_offset_0": 2 * KEYPOINTS,
}
# As the graph has them, rounded to half precision.
PEAK_TOLERANCE = 1.0132789611816406e-06
SPREAD_OF_GRID = 0.300048828125
MIN_KEYPOINT_SCORE = 0.126953125


def convert(paths):
    graph = tfjs_reader.read(paths)
    unused = unused_constants(graph, [source(reference)[0] for _, reference, _ in graph.outputs])
    if unused:
        raise ConversionError(f"{len(unused)} weights are not used, {unused[0]} for one")
    references = {}
    for head in HEADS:
        found = [name for name in graph.nodes if f"/{head}/" in name and name.endswith("/BiasAdd")]
        # The head's last convolution; the one before it ends in a ReLU.
        if len(found) != 1:
            raise ConversionError(f"{paths[0]}: no MoveNet MultiPose: {len(found)} nodes are the head {head}")
        references[head] = found[0]
    importer = Importer("movenet_multipose", graph)
    heads = dict(zip(references, importer.run(list(references.values())), strict=True))
    for head, channels in HEADS.items():
        if heads[head].shape[1:] != (GRID, GRID, channels):
            raise ConversionError(f"{paths[0]}: head {head} has the shape {list(heads[head].shape)}")
    layout = importer.target
    values = {head: layout.value(tensor, CHANNELS_LAST) for head, tensor in heads.items()}
    _Decoder(layout.builder, values).decode()
    return layout.builder.model()


class _Decoder:
    def __init__(self, graph, heads):
        self._graph = graph
        self._heads = heads

    def _op(self, op_type, *inputs, **attributes):
        return self._graph.op(op_type, *inputs, **attributes)

    def _cells(self, value, channels):
        """[n, channels, grid, grid] as [n, cells, channels]."""
        value = self._op("Transpose", value, perm=[0, 2, 3, 1])
        return self._op("Reshape", value, self._graph.ints(0, CELLS, channels))

    def _unsqueeze(self, value, axis):
        return self._op("Unsqueeze", value, self._graph.ints(axis))

    def _float(self, value):
        return self._op("Cast", value, to=1)

    def _row_and_column(self, cell):
        """Indices of cells as two floats along a new last axis."""
        side = np.array(GRID, INT64)
        parts = [self._float(self._op(op_type, cell, side)) for op_type in ("Div", "Mod")]
        return self._op("Concat", *[self._unsqueeze(part, -1) for part in parts], axis=-1)

    def decode(self):
        graph = self._graph
        score, cell = self._people()
        place = self._row_and_column(cell)
        found = self._at_people(cell)
        offset, size, guess = graph.op("Split", found, graph.ints(2, 2, 2 * KEYPOINTS), outputs=3, axis=2)
        box = self._box(self._op("Add", place, offset), size)
        guess = self._op("Reshape", guess, graph.ints(0, 0, KEYPOINTS, 2))
        guess = self._op("Add", guess, self._unsqueeze(place, 2))
        points, point_scores = self._points(guess, box)

        seen = self._float(self._op("Greater", point_scores, np.float32(MIN_KEYPOINT_SCORE)))
        count = self._op("ReduceSum", seen, graph.ints(2), keepdims=1)
        total = self._op("ReduceSum", self._op("Mul", seen, point_scores), graph.ints(2), keepdims=1)
        mean = self._op("Div", total, self._op("Max", count, np.float32(1)))
        person_score = self._op("Mul", mean, self._unsqueeze(score, 2))

        scale = np.float32(1 / GRID)
        points = self._op("Concat", self._op("Mul", points, scale), self._unsqueeze(point_scores, 3), axis=3)
        points = self._op("Reshape", points, graph.ints(0, 0, 3 * KEYPOINTS))
        people = self._op("Concat", points, self._op("Mul", box, scale), person_score, axis=2)
        graph.output(people, "output_0", np.float32, ["n", PEOPLE, 3 * KEYPOINTS + 5])

    def _people(self):
        """Scores and cells [n, people] of the highest peaks of the centre map."""
        centers = self._op("Sigmoid", self._heads["center_0"])
        highest = self._op("MaxPool", centers, kernel_shape=[5, 5], pads=[2, 2, 2, 2], strides=[1, 1])
        distance = self._op("Abs", self._op("Sub", centers, highest))
        peaks = self._op("Mul", centers, self._float(self._op("Less", distance, np.float32(PEAK_TOLERANCE))))
        peaks = self._op("Reshape", peaks, self._graph.ints(0, CELLS))
        return self._graph.op("TopK", peaks, self._graph.ints(PEOPLE), outputs=2, axis=1, largest=1, sorted=1)

    def _at_people(self, cell):
        """Box offset, box size and keypoint guesses at each person's centre: [n, people, 2 + 2 + 34]."""
        names = ("box_offset_0", "box_scale_0", "kpt_regress_0")
        channels = sum(HEADS[name] for name in names)
        maps = self._op("Concat", *[self._cells(self._heads[name], HEADS[name]) for name in names], axis=2)
        places = self._op("Tile", self._unsqueeze(cell, 2), self._graph.ints(1, 1, channels))
        return self._op("GatherElements", maps, places, axis=1)

    def _box(self, center, size):
        """Top, left, bottom, right in cells: [n, people, 4]."""
        half = self._op("Mul", self._op("Max", size, np.float32(0)), np.float32(0.5))
        corners = self._op("Concat", self._op("Sub", center, half), self._op("Add", center, half), axis=2)
        return self._op("Clip", corners, np.float32(0), np.float32(GRID))

    def _weights(self, guess, low, high):
        """Of the rows or the columns, by their distance from the guesses: [n, people, grid, keypoints]."""
        steps = np.arange(GRID, dtype=np.float32).reshape(-1, 1)
        inside = self._op("GreaterOrEqual", steps, self._unsqueeze(low, 3))
        inside = self._op("And", inside, self._op("Less", steps, self._unsqueeze(high, 3)))
        away = self._op("Sub", steps, self._op("Reshape", guess, self._graph.ints(0, 0, 1, KEYPOINTS)))
        away = self._op("Mul", self._op("Mul", away, away), np.float32(-1 / (SPREAD_OF_GRID * GRID)))
        return self._op("Mul", self._op("Exp", away), self._float(inside))

    def _points(self, guess, box):
        """Places [n, people, keypoints, 2] in cells, and scores [n, people, keypoints]."""
        graph = self._graph
        top, left, bottom, right = graph.op("Split", box, graph.ints(1, 1, 1, 1), outputs=4, axis=2)
        guess_y, guess_x = graph.op("Split", guess, graph.ints(1, 1), outputs=2, axis=3)
        rows = self._unsqueeze(self._weights(guess_y, top, bottom), 3)
        columns = self._unsqueeze(self._weights(guess_x, left, right), 2)
        weights = self._op("Reshape", self._op("Mul", rows, columns), graph.ints(0, PEOPLE, CELLS, KEYPOINTS))
        heat = self._cells(self._op("Sigmoid", self._heads["kpt_heatmap_0"]), KEYPOINTS)
        heat = self._op("Mul", weights, self._unsqueeze(heat, 1))

        cell = self._op("ArgMax", heat, axis=2, keepdims=0)
        offsets = self._cells(self._heads["kpt_offset_0"], 2 * KEYPOINTS)
        places = self._op("Tile", self._unsqueeze(cell, 3), graph.ints(1, 1, 1, 2))
        places = self._op("Reshape", places, graph.ints(0, 0, 2 * KEYPOINTS))
        offsets = self._op("GatherElements", offsets, places, axis=1)
        offsets = self._op("Reshape", offsets, graph.ints(0, 0, KEYPOINTS, 2))
        # As the graph has it: the highest of any person there, which is nearly always this one's.
        highest = self._op("ReduceMax", heat, axes=[1], keepdims=0)
        scores = self._op("GatherElements", highest, cell, axis=1)
        return self._op("Add", self._row_and_column(cell), offsets), scores
