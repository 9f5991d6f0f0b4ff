# SPDX-License-Identifier: Apache-2.0
"""Makes an INT8 model of an installed one: ONNX with QuantizeLinear and DequantizeLinear, calibrated on your pictures.

    .deps/quantize/bin/python models/quantize/quantize.py nanodet clips/ --output nanodet_int8.onnx > int8.textproto

The catalogue entry of the new model goes to standard output, progress to standard error. Exit status 0, or 1 and one
line. Needs scripts/requirements/quantize.txt (scripts/setup quantize) and ffmpeg.
"""

import argparse
import contextlib
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from calibration import CalibrationError, preprocessing_of, tensors

ROOT = Path(__file__).resolve().parents[2]
# Operators with weights. What comes behind the last of them (decoding of boxes, suppression) stays in float.
WEIGHTED = {"Conv", "ConvTranspose", "MatMul", "Gemm", "LSTM", "GRU"}


def say(text):
    print(f"quantize: {text}", file=sys.stderr, flush=True)


def find_reelsight(given):
    builds = [ROOT / "build" / preset / "bin/reelsight" for preset in ("release", "bench")]
    program = given or next((str(path) for path in builds if path.exists()), None) or shutil.which("reelsight")
    if program is None:
        raise CalibrationError("reelsight is neither built nor in PATH; name it by --reelsight")
    return program


def installed(name, program):
    """Path and catalogue entry (the JSON of its proto) of an installed model."""
    try:
        done = subprocess.run([program, "models", "list", "--json"], check=False, capture_output=True, text=True)
    except OSError as error:
        raise CalibrationError(f"{program}: {error.strerror}") from error
    if done.returncode != 0:
        raise CalibrationError(f"{program} models list: {done.stderr.strip()}")
    models = {model["model"]["name"]: model for model in json.loads(done.stdout)}
    if name not in models:
        raise CalibrationError(f"there is no model {name}; see: reelsight models list")
    if not models[name]["installed"]:
        raise CalibrationError(f"{name} is not installed; run: reelsight models pull {name}")
    if not models[name]["path"].endswith(".onnx"):
        raise CalibrationError(f"{name} is no ONNX file: {models[name]['path']}")
    return models[name]["path"], models[name]["model"]


def read_model(path):
    """The model, of an operator set that knows scales for each channel, each node with a name."""
    import onnx
    from onnx import version_converter

    model = onnx.load(path)
    if max(opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")) < 13:
        properties = list(model.metadata_props)
        model = version_converter.convert_version(model, 17)
        del model.metadata_props[:]
        model.metadata_props.extend(properties)
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{i}"
    return model


def input_of(model):
    """Name and shape (0: open) of the one input."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise CalibrationError(f"the model has {len(inputs)} inputs; only models of one picture can be calibrated")
    return inputs[0].name, [side.dim_value for side in inputs[0].type.tensor_type.shape.dim]


def float_nodes(model, float_heads):
    """Names of the nodes behind the last weights on each way to an output, and of those weights if `float_heads`."""
    readers = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    before_weights = {}
    for node in reversed(model.graph.node):
        after = (reader for output in node.output for reader in readers.get(output, []))
        before_weights[node.name] = any(one.op_type in WEIGHTED or before_weights[one.name] for one in after)
    return [
        node.name
        for node in model.graph.node
        if not before_weights[node.name] and (float_heads or node.op_type not in WEIGHTED)
    ]


def make_activations_unsigned(model):
    """Writes signed activations as unsigned ones of the same values: x + 128 with a zero point 128 higher.

    OpenVINO 2026.4.1 computes a convolution with a leaky rectifier wrong if its result is signed int8; unsigned, it is
    right and as fast.
    """
    import numpy as np
    from onnx import TensorProto, numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    quantizers = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    signed = {node.input[2] for node in quantizers if constants[node.input[2]].data_type == TensorProto.INT8}
    for name in signed:
        values = numpy_helper.to_array(constants[name]).astype(np.int32) + 128
        constants[name].CopyFrom(numpy_helper.from_array(values.astype(np.uint8), name))
    changed = {node.output[0] for node in quantizers if node.input[2] in signed}
    for value in model.graph.value_info:
        if value.name in changed:
            value.type.tensor_type.elem_type = TensorProto.UINT8


def quantize(model, samples, float_heads=False):
    """The INT8 model: weights signed with a scale for each channel, activations unsigned."""
    # NNCF reports its use to its authors otherwise.
    os.environ["NNCF_CI"] = "1"
    import nncf
    import onnx

    nncf.set_log_level(logging.ERROR)
    name, _ = input_of(model)
    ignored = nncf.IgnoredScope(names=float_nodes(model, float_heads), validate=False)
    # Its bars of progress go to standard output.
    with contextlib.redirect_stdout(sys.stderr):
        made = nncf.quantize(
            model, nncf.Dataset([{name: sample} for sample in samples]), preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(samples), ignored_scope=ignored,
        )  # fmt: skip
    if not any(node.op_type == "QuantizeLinear" for node in made.graph.node):
        raise CalibrationError("nothing in this model can be quantized")
    make_activations_unsigned(made)
    if not made.metadata_props:
        made.metadata_props.extend(model.metadata_props)
    onnx.checker.check_model(made)
    return made


def save(model, output):
    """Writes the file under its name only once it is whole."""
    data = model.SerializeToString()
    output = Path(output)
    with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}.", delete=False) as file:
        try:
            file.write(data)
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, output)
        except BaseException:
            os.unlink(file.name)
            raise
    return data


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def numbers(values):
    return ", ".join(f"{value:.9g}" for value in values)


def catalogue_entry(entry, name, output, data):
    """Text of the entry that makes `output` a model of its own; `path` is relative to the catalogue file."""
    lines = ["models {"]
    for field, value in (
        ("name", name),
        ("version", f"{entry['version']}-int8"),
        ("task", entry["task"]),
        ("description", f"{entry['description']}; INT8"),
        ("license", entry["license"]),
        ("homepage", entry.get("homepage", "")),
    ):
        if value:
            lines.append(f"  {field}: {quoted(value)}")
    if entry.get("restricted"):
        lines.append("  restricted: true")
    lines += [
        "  files {",
        f"    name: {quoted(output.name)}",
        f'    sha256: "{hashlib.sha256(data).hexdigest()}"',
        f"    size_bytes: {len(data)}",
        f"    path: {quoted(output.name)}",
        "  }",
        f"  family: {quoted(entry['family'])}",
    ]
    if entry.get("role"):
        lines.append(f"  role: {quoted(entry['role'])}")
    given = entry.get("input", {})
    parts = [f"{field}: {given[key]}" for field, key in (("width_px", "widthPx"), ("height_px", "heightPx"))
             if given.get(key)]  # fmt: skip
    parts += [f"{field}: [{numbers(given[field])}]" for field in ("mean", "scale") if given.get(field)]
    parts += ["bgr: true"] if given.get("bgr") else []
    if parts:
        lines.append(f"  input {{ {' '.join(parts)} }}")
    if entry.get("labels"):
        lines.append(f"  labels: [{', '.join(map(quoted, entry['labels']))}]")
    if entry.get("minScore"):
        lines.append(f"  min_score: {entry['minScore']:.9g}")
    # No half precision: what is left in float is little, and transnetv2 loses by it what INT8 does not cost.
    # On a GPU its integers would be computed in float, which is slower than the model that it was made of.
    return "\n".join([*lines, "  cpu_only: true", "}"])


def arguments_of(words):
    parser = argparse.ArgumentParser(
        description="Makes an INT8 model (QDQ ONNX) of an installed one and prints its catalogue entry.",
        epilog="Example: .deps/quantize/bin/python models/quantize/quantize.py nanodet my_clips/ --output "
        "nanodet_int8.onnx > int8.textproto; then reelsight models pull nanodet_int8 --catalog int8.textproto",
    )
    parser.add_argument("model", help="name in the catalogue; it must be installed")
    parser.add_argument("pictures", nargs="+", metavar="PICTURES",
                        help="videos, pictures or folders of them, like those that the model will see; for readers of "
                        "text, pictures of one line each")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="OUT.onnx", help="default: NAME_int8.onnx here")
    parser.add_argument("--name", help="name of the new model; default: the file's")
    parser.add_argument("--samples", type=int, default=100, metavar="N",
                        help="pictures to calibrate on (default 100; 12 windows for transnetv2)")  # fmt: skip
    parser.add_argument("--float-heads", action="store_true",
                        help="keep the last layer with weights before each output in float as well: may lose less, is "
                        "slower")  # fmt: skip
    parser.add_argument("--reelsight", metavar="PROGRAM", help="default: the one built here, else that in PATH")
    arguments = parser.parse_args(words)
    arguments.output = arguments.output or Path(f"{arguments.model}_int8.onnx")
    arguments.name = arguments.name or arguments.output.stem
    if arguments.samples < 1:
        parser.error("--samples must be 1 or more")
    return arguments


def main(words=None):
    arguments = arguments_of(words)
    try:
        path, entry = installed(arguments.model, find_reelsight(arguments.reelsight))
        how = preprocessing_of(entry)
        model = read_model(path)
        most = min(arguments.samples, 12) if how.fit == "window" else arguments.samples
        samples = tensors(entry, input_of(model)[1], arguments.pictures, most, say)
        say(f"quantizing {arguments.model} by {len(samples)} samples")
        data = save(quantize(model, samples, arguments.float_heads), arguments.output)
        before = os.path.getsize(path)
        say(f"{arguments.output}: {len(data) / 1e6:.1f} MB instead of {before / 1e6:.1f} MB; compare its results "
            "before you use it")  # fmt: skip
        print(catalogue_entry(entry, arguments.name, arguments.output, data))
    except CalibrationError as error:
        return f"quantize: {error}"
    except ImportError as error:
        return f"quantize: {error}; run scripts/setup quantize and use .deps/quantize/bin/python"
    except OSError as error:
        return f"quantize: {error.filename or arguments.output}: {error.strerror}"
    return None


if __name__ == "__main__":
    sys.exit(main())
