# SPDX-License-Identifier: Apache-2.0
"""The converters without any weights: what they refuse, and small graphs against numpy."""

import collections
import io
import json
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import zipfile

import numpy as np
import onnxruntime
import pytest

import tflite_reader
from errors import ConversionError
from graph_builder import GraphBuilder
from sides import Side
from tflite_reader import read as read_tflite
from torch_pickle import Weights, load_state_dict

CONVERT = pathlib.Path(__file__).parents[2] / "models/convert"


class _Storage:
    """Pickles as PyTorch's reference to a storage."""

    def __init__(self, key, count):
        self.reference = ("storage", _Global("torch", "FloatStorage"), key, "cpu", count)


class _Global:
    def __init__(self, module, name):
        self.module, self.name = module, name


class _Tensor:
    def __init__(self, storage, offset, shape, strides):
        self.arguments = (storage, offset, shape, strides, False, collections.OrderedDict())


class _Pickler(pickle._Pickler):
    """The pure-Python pickler, taught to write PyTorch's names without PyTorch."""

    def persistent_id(self, value):
        return value.reference if isinstance(value, _Storage) else None

    def save(self, value, save_persistent_id=True):
        if isinstance(value, _Global):
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, _Tensor):
            self.save(_Global("torch._utils", "_rebuild_tensor_v2"))
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def _pickled(value):
    data = io.BytesIO()
    _Pickler(data, 2).dump(value)
    return data.getvalue()


ELEMENTS = np.arange(12, dtype=np.float32)


def _write_zip(path, state, storages):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", _pickled(state))
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)
    return path


def _write_stream(path, state, storages, version=1001):
    with open(path, "wb") as file:
        for part in (0x1950A86A20F9469CFC6C, version, {"little_endian": True}, state, list(storages)):
            file.write(_pickled(part))
        for data in storages.values():
            file.write(struct.pack("<q", len(data) // 4) + data)
    return path


@pytest.mark.parametrize("write", [_write_zip, _write_stream])
def test_reads_tensors_with_offsets_and_strides(tmp_path, write):
    storage = _Storage("0", 12)
    state = collections.OrderedDict(
        whole=_Tensor(storage, 0, (3, 4), (4, 1)),
        turned=_Tensor(storage, 1, (2, 3), (1, 4)),
        one=_Tensor(storage, 5, (), ()),
    )
    read = load_state_dict(str(write(tmp_path / "x.pth", state, {"0": ELEMENTS.tobytes()})))
    np.testing.assert_array_equal(read["whole"], ELEMENTS.reshape(3, 4))
    np.testing.assert_array_equal(read["turned"], [[1, 5, 9], [2, 6, 10]])
    assert read["one"] == 5


@pytest.mark.parametrize("write", [_write_zip, _write_stream])
def test_runs_no_code(tmp_path, write):
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    with pytest.raises(ConversionError, match=r"refers to \w+\.mkdir"):
        load_state_dict(str(write(tmp_path / "x.pth", {"a": Evil()}, {})))
    assert not marker.exists()


def test_refuses_a_tensor_beyond_its_storage(tmp_path):
    path = _write_zip(
        tmp_path / "x.pth", {"a": _Tensor(_Storage("0", 12), 1, (3, 4), (4, 1))}, {"0": ELEMENTS.tobytes()}
    )
    with pytest.raises(ConversionError, match="beyond its storage"):
        load_state_dict(str(path))


@pytest.mark.parametrize("write", [_write_zip, _write_stream])
def test_refuses_cut_files(tmp_path, write):
    path = write(tmp_path / "x.pth", {"a": _Tensor(_Storage("0", 12), 0, (12,), (1,))}, {"0": ELEMENTS.tobytes()})
    data = path.read_bytes()
    for length in range(0, len(data) - 1, 7):
        path.write_bytes(data[:length])
        with pytest.raises(ConversionError):
            load_state_dict(str(path))


def test_every_weight_is_used_once_and_has_its_shape(tmp_path):
    storage = _Storage("0", 12)
    state = {"net.a": _Tensor(storage, 0, (3, 4), (4, 1)), "net.b": _Tensor(storage, 0, (12,), (1,))}
    path = str(_write_zip(tmp_path / "x.pth", state, {"0": ELEMENTS.tobytes()}))
    with pytest.raises(ConversionError, match=r"weight c is missing"):
        Weights(path, "net.").take("c", 1)
    with pytest.raises(ConversionError, match=r"weight a is \[3, 4\], expected \[4, 3\]"):
        Weights(path, "net.").take("a", 4, 3)
    weights = Weights(path, "net.")
    weights.take("a", 3, 4)
    with pytest.raises(ConversionError, match="1 weights are not of this model: b"):
        weights.finish()


def _run(*arguments):
    command = [sys.executable, str(CONVERT / "convert.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_errors_are_one_line_and_leave_no_file(tmp_path):
    bad = tmp_path / "bad.pth"
    bad.write_bytes(b"PK not a zip")
    cases = [(bad, kind) for kind in ("transnetv2", "craft", "crnn", "tfjs", "centernet", "tflite", "ssd_frozen_graph")]
    for source, kind in [*cases, (tmp_path / "absent.pth", "transnetv2")]:
        result = _run(kind, "--input", source, "--output", tmp_path / "out.onnx")
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith("convert: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.pth"]


def _tfjs_model(folder, nodes, weights, inputs, outputs):
    """`weights`: (array, quantisation or None) by name."""
    manifest, data = [], b""
    for name, (array, scheme) in weights.items():
        stored = np.asarray(array)
        dtype = "int32" if stored.dtype.kind == "i" else "float32"
        entry = {"name": name, "shape": list(stored.shape), "dtype": dtype}
        if scheme:
            entry["quantization"] = {"dtype": "uint8", "scale": scheme[0], "min": scheme[1]}
            stored = np.round((stored - scheme[1]) / scheme[0]).astype(np.uint8)
        manifest.append(entry)
        data += stored.astype(stored.dtype.newbyteorder("<")).tobytes()
        nodes = [*nodes, {"name": name, "op": "Const"}]

    def signature(entries):
        return {
            name: {"name": f"{name}:0", "tensorShape": {"dim": [{"size": str(side)} for side in shape]}}
            for name, shape in entries.items()
        }

    model = {
        "format": "graph-model",
        "modelTopology": {"node": nodes},
        "weightsManifest": [{"paths": ["m.bin"], "weights": manifest}],
        "signature": {"inputs": signature(inputs), "outputs": signature(outputs)},
    }
    (folder / "m.json").write_text(json.dumps(model))
    (folder / "m.bin").write_bytes(data)
    return ["--input", folder / "m.bin", "--input", folder / "m.json", "--output", folder / "m.onnx"]


_SAME = {"padding": {"s": "U0FNRQ=="}}


def _ints(*values):
    return {"list": {"i": [str(value) for value in values]}}


def test_tfjs_quantised_convolution_with_a_moved_bias(tmp_path):
    seed = 5
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    scale, low = 1 / 64, -2.0
    kernel = low + scale * rng.integers(0, 256, (3, 3, 3, 4))
    bias = rng.normal(size=4).astype(np.float32)
    attributes = _SAME | {"strides": _ints(1, 2, 2, 1), "dilations": _ints(1, 1, 1, 1)}
    nodes = [
        {"name": "x", "op": "Placeholder"},
        {"name": "c", "op": "Conv2D", "input": ["x", "kernel"], "attr": attributes},
        {"name": "y", "op": "AddV2", "input": ["c", "bias"]},
    ]
    weights = {"kernel": (kernel.astype(np.float32), (scale, low)), "bias": (bias, None)}
    files = _tfjs_model(tmp_path, nodes, weights, {"x": (1, 6, 8, 3)}, {"y": (1, 3, 4, 4)})
    result = _run("tfjs", *files)
    assert result.returncode == 0, result.stderr
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    x = rng.normal(size=(2, 3, 6, 8)).astype(np.float32)
    # SAME with stride 2 and an even side pads 1 after.
    padded = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)))
    expected = np.zeros((2, 4, 3, 4))
    for row in range(3):
        for column in range(4):
            window = padded[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            expected[:, :, row, column] = np.einsum("nchw,hwco->no", window, kernel) + bias
    np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, rtol=1e-4, atol=1e-4)


def test_tfjs_refuses_unused_weights_unknown_operators_and_odd_shards(tmp_path):
    nodes = [{"name": "x", "op": "Placeholder"}, {"name": "y", "op": "Relu", "input": ["x"]}]
    one = (np.ones(2, np.float32), None)
    files = _tfjs_model(tmp_path, nodes, {"unused": one}, {"x": (1, 2)}, {"y": (1, 2)})
    assert "1 weights are not used, unused for one" in _run("tfjs", *files).stderr
    nodes[1]["op"] = "Erf"
    files = _tfjs_model(tmp_path, nodes, {}, {"x": (1, 2)}, {"y": (1, 2)})
    assert "Erf y: this operator is not covered" in _run("tfjs", *files).stderr
    (tmp_path / "m.bin").write_bytes(b"more")
    assert "4 bytes of m.bin belong to no weight" in _run("tfjs", *files).stderr


def test_tflite_refuses_damaged_files(tmp_path):
    path = tmp_path / "x.tflite"
    rng = np.random.default_rng(6)
    for _ in range(50):
        path.write_bytes(b"\x1c\x00\x00\x00TFL3" + rng.integers(0, 256, 200, np.uint8).tobytes())
        with pytest.raises(ConversionError):
            read_tflite(str(path))


def test_tflite_sparse_tensor():
    """The example of TensorFlow Lite's schema.fbs, with values in the place of names."""

    class Level:
        def __init__(self, format, size=0, segments=(), indices=()):
            self.Format, self.DenseSize = lambda: format, lambda: size
            self.segments, self.indices = segments, indices

    class Sparsity:
        """[4, 6] in blocks of 2 x 3, of which three are stored; rows of blocks dense, columns by index."""

        levels = (Level(0, 2), Level(1, 0, (0, 1, 3), (1, 0, 1)), Level(0, 2), Level(0, 3))
        DimMetadataLength, BlockMapLength = (lambda self: 4), (lambda self: 2)
        TraversalOrderAsNumpy, BlockMapAsNumpy = (lambda self: np.arange(4)), (lambda self: np.arange(2))

        def DimMetadata(self, i):
            return self.levels[i]

    expected = np.zeros((4, 6), np.float32)
    expected[0:2, 3:6] = [[1, 2, 3], [4, 5, 6]]
    expected[2:4, 0:3] = [[7, 8, 9], [10, 11, 12]]
    expected[2:4, 3:6] = [[13, 14, 15], [16, 17, 18]]
    with pytest.MonkeyPatch.context() as patch:
        vectors = {"ArraySegments": "segments", "ArrayIndices": "indices"}
        patch.setattr(tflite_reader, "_index_vector", lambda level, field: getattr(level, vectors[field]))
        dense = tflite_reader._dense(Sparsity(), (4, 6), np.arange(1, 19, dtype=np.float32))
    np.testing.assert_array_equal(dense, expected)


def test_names_of_outputs_are_theirs_alone():
    graph = GraphBuilder("x", reserved=["mul_0"])
    x = graph.input("x", np.float32, ["n"])
    y = graph.op("Mul", x, np.float32(2))
    graph.output(graph.op("Mul", y, y), "mul_0", np.float32, ["n"])
    assert [list(node.output) for node in graph.model().graph.node] == [["mul_1"], ["mul_0"]]


def test_open_sides():
    height = Side("h")
    assert (height * 2) // 2 == height
    assert repr(height // 4 + 1) == "h/4+1"
    assert (height // 4).ratio(height // 8) == 2
    assert (height + 1).ratio(height) is None


def test_equal_constants_are_kept_once_and_unused_nodes_dropped():
    graph = GraphBuilder("x")
    x = graph.input("x", np.float32, ["n"])
    graph.op("Sqrt", x)
    graph.output(graph.op("Add", graph.op("Mul", x, np.float32(2)), np.float32(2)), "y", np.float32, ["n"])
    model = graph.model()
    assert [node.op_type for node in model.graph.node] == ["Mul", "Add"]
    assert len(model.graph.initializer) == 1
    assert model.graph.node[-1].output == ["y"]
