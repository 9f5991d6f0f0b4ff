# SPDX-License-Identifier: Apache-2.0
"""Making INT8 models: what is refused, the tensors of pictures, and small networks against ONNX Runtime."""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from onnx import TensorProto, helper, numpy_helper

import calibration
import quantize
from calibration import CalibrationError
from stubs import catalog_pb

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".deps/quantize/bin/python"
RANDOM_SEED = 20261125


def entry_of(family, **fields):
    return {"name": "small", "version": "1", "task": "object_detection", "description": "A small one", "license": "MIT",
            "family": family, **fields}  # fmt: skip


def catalogue(folder, path, entry, installed=True):
    """A stand-in for `reelsight models list --json`."""
    listed = [{"installed": installed, "path": str(path), "model": entry}]
    (folder / "list.json").write_text(json.dumps(listed))
    program = folder / "reelsight"
    program.write_text(f'#!/bin/sh\ncat "{folder}/list.json"\n')
    program.chmod(0o755)
    return str(program)


def network(path):
    """Two convolutions of a picture with a leaky rectifier between them; behind them what decodes their output."""
    random = np.random.default_rng(RANDOM_SEED)
    print("seed", RANDOM_SEED)

    def constant(name, shape, size):
        return numpy_helper.from_array((random.standard_normal(shape) * size).astype(np.float32), name)

    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w0", "b0"], ["a"], "first", pads=[1, 1, 1, 1]),
            helper.make_node("LeakyRelu", ["a"], ["b"], "leaky", alpha=0.1),
            helper.make_node("Conv", ["b", "w1"], ["c"], "head"),
            helper.make_node("Sigmoid", ["c"], ["d"], "decode"),
            helper.make_node("Mul", ["d", "d"], ["y"], "square"),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 48])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4, 32, 48])],
        [constant("w0", (8, 3, 3, 3), 0.003), constant("b0", (8,), 0.1), constant("w1", (4, 8, 1, 1), 1)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"character": "abc"})
    onnx.save(model, path)
    return model


@pytest.fixture
def clip(tmp_path):
    """Two seconds of moving colours, 96x64, 50 frames."""
    path = tmp_path / "clip.mp4"
    source = "testsrc2=size=96x64:rate=25:duration=2"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, str(path)], check=True)
    return path


def picture(path, colour, size):
    source = f"color=c={colour}:size={size}:duration=1:rate=1"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", "1", str(path)]
    subprocess.run(command, check=True)
    return path


def refusal(folder, name, pictures, entry, **more):
    program = catalogue(folder, folder / "small.onnx", entry, **more)
    return quantize.main([name, *map(str, pictures), "--reelsight", program, "--output", str(folder / "out.onnx")])


def test_what_is_refused_says_what_to_do(tmp_path):
    network(tmp_path / "small.onnx")
    entry, empty = entry_of("ssd"), tmp_path / "empty"
    empty.mkdir()
    assert "no model other" in refusal(tmp_path, "other", [empty], entry)
    assert "reelsight models pull small" in refusal(tmp_path, "small", [empty], entry, installed=False)
    assert "family rvm" in refusal(tmp_path, "small", [empty], entry_of("rvm"))
    assert "no calibration pictures" in refusal(tmp_path, "small", [empty], entry)
    assert "/nowhere does not exist" in refusal(tmp_path, "small", ["/nowhere"], entry)
    (tmp_path / "note.txt").write_text("no picture")
    assert "no picture or video among it" in refusal(tmp_path, "small", [tmp_path / "note.txt"], entry)
    assert "no calibration videos" in refusal(tmp_path, "small", [tmp_path / "note.txt"], entry_of("transnetv2"))
    assert not list(tmp_path.glob("*out*"))


def test_pictures_become_what_the_model_takes(tmp_path):
    red = picture(tmp_path / "red.png", "red", "80x40")

    def one(entry, shape):
        (tensor,) = calibration.tensors(entry, shape, [red], 10)
        assert tensor.dtype == np.float32
        return tensor

    raw = one(entry_of("ssd"), [0, 3, 32, 48])
    assert raw.shape == (1, 3, 32, 48)
    np.testing.assert_allclose(raw[0, :, 16, 24], [254, 0, 0], atol=2)
    boxed = one(entry_of("movenet_multipose"), [1, 3, 64, 64])
    np.testing.assert_allclose(boxed[0, :, [2, 32], 32], [[0, 0, 0], [254, 0, 0]], atol=2)
    turned = one(entry_of("ssd", input={"bgr": True, "mean": [100, 0, 0], "scale": [0.5, 1, 1]}), [1, 3, 8, 8])
    np.testing.assert_allclose(turned[0, :, 4, 4], [0, 0, 77], atol=2)
    assert one(entry_of("ppocr_det"), [0, 3, 0, 0]).shape == (1, 3, 32, 96)
    assert one(entry_of("crnn"), [0, 1, 64, 0]).shape == (1, 1, 64, 128)
    with pytest.raises(CalibrationError, match="which size"):
        one(entry_of("ssd"), [0, 3, 0, 0])


def test_samples_are_spread_over_files(tmp_path, clip):
    still = picture(tmp_path / "red.png", "red", "80x40")
    found = calibration.tensors(entry_of("ssd"), [0, 3, 8, 8], [clip, still], 11)
    assert 10 <= len(found) <= 12
    assert len({tensor.tobytes() for tensor in found}) > 5
    windows = calibration.tensors(entry_of("transnetv2"), [0, 100, 27, 48, 3], [clip], 3)
    # The clip is half a window long: its last frame goes on.
    assert [(window.shape, window.dtype.name) for window in windows] == [((1, 100, 27, 48, 3), "uint8")]
    assert (windows[0][0, 50:] == windows[0][0, 49]).all()


def test_what_decodes_stays_in_float(tmp_path):
    model = network(tmp_path / "small.onnx")
    assert quantize.float_nodes(model, float_heads=False) == ["decode", "square"]
    assert quantize.float_nodes(model, float_heads=True) == ["head", "decode", "square"]


def test_unsigned_activations_have_the_same_values():
    def value(name, array):
        return numpy_helper.from_array(np.asarray(array), name)

    scale, zero = value("scale", np.float32(0.02)), value("zero", np.int8(-7))
    weights, factors = value("w", np.array([[-3, 127]], np.int8)), value("f", np.array([0.1, 0.2], np.float32))
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
            helper.make_node("DequantizeLinear", ["w", "f"], ["dw"], axis=1),
            helper.make_node("Mul", ["d", "dw"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [5, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [5, 2])],
        [scale, zero, weights, factors],
        value_info=[helper.make_tensor_value_info("q", TensorProto.INT8, [5, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def run():
        x = np.linspace(-4, 4, 10, dtype=np.float32).reshape(5, 2)
        return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]

    before = run()
    quantize.make_activations_unsigned(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert (constants["zero"].dtype, constants["zero"]) == (np.uint8, 121)
    assert constants["w"].dtype == np.int8
    np.testing.assert_array_equal(run(), before)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    class Broken:
        def SerializeToString(self):
            return "no bytes"

    with pytest.raises(TypeError):
        quantize.save(Broken(), tmp_path / "out.onnx")
    assert not list(tmp_path.iterdir())


def test_entry_is_of_the_catalogue(tmp_path):
    catalog = catalog_pb.ModelCatalog()
    taken = {"widthPx": 300, "heightPx": 300, "mean": [1, 2, 3], "bgr": True}
    labels = ['a "b"', "ü"]
    entry = entry_of("ssd", restricted=True, role="detector", labels=labels, minScore=0.35, input=taken)
    text_format.Parse(quantize.catalogue_entry(entry, "small_int8", tmp_path / "small_int8.onnx", b"data"), catalog)
    (made,) = catalog.models
    assert (made.name, made.version, made.family, made.role) == ("small_int8", "1-int8", "ssd", "detector")
    assert list(made.labels) == labels
    assert (made.restricted, made.cpu_only, made.default_for_task, made.allow_half_precision) == (
        True,
        True,
        False,
        False,
    )
    assert (made.input.width_px, list(made.input.mean), made.input.bgr) == (300, [1, 2, 3], True)
    assert made.min_score == pytest.approx(0.35)
    assert (made.files[0].path, made.files[0].size_bytes, len(made.files[0].sha256)) == ("small_int8.onnx", 4, 64)


def test_a_small_network_in_int8(tmp_path, clip):
    if not PYTHON.exists():
        pytest.skip("NNCF is not installed; run: scripts/setup quantize")
    network(tmp_path / "small.onnx")
    program = catalogue(tmp_path, tmp_path / "small.onnx", entry_of("ssd"))
    output = tmp_path / "small_int8.onnx"
    command = [PYTHON, ROOT / "models/quantize/quantize.py", "small", clip, "--samples", "20", "--reelsight", program]
    done = subprocess.run([*command, "--output", output], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("models {") and 'path: "small_int8.onnx"' in done.stdout
    made = onnx.load(output)
    assert {one.key: one.value for one in made.metadata_props} == {"character": "abc"}
    quantizers = [node for node in made.graph.node if node.op_type == "QuantizeLinear"]
    constants = {tensor.name: tensor for tensor in made.graph.initializer}
    assert quantizers and all(constants[node.input[2]].data_type == TensorProto.UINT8 for node in quantizers)
    assert [node.op_type for node in made.graph.node][-2:] == ["Sigmoid", "Mul"]
    sample = calibration.tensors(entry_of("ssd"), [0, 3, 32, 48], [clip], 3)[1]
    both = [
        onnxruntime.InferenceSession(path).run(None, {"x": sample})[0] for path in (tmp_path / "small.onnx", output)
    ]
    assert np.abs(both[0] - both[1]).mean() < 0.02
