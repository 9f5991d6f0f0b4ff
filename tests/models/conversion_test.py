# SPDX-License-Identifier: Apache-2.0
"""Holds the installed converted models against outputs of the published implementations (golden/, by make_golden.py).

A model that is not installed is skipped; `scripts/test` installs all but that whose licence restricts its use (rvm).
"""

import os
import pathlib

import numpy as np
import onnx
import onnxruntime
import pytest

from model_cases import CASES, kept

GOLDEN = pathlib.Path(__file__).parent / "golden"
# Operators a converted model may use: those of models/convert/OPERATORS.md.
OPERATORS = pathlib.Path(__file__).parents[2] / "models/convert/OPERATORS.md"


def models_folder():
    if own := os.environ.get("REELSIGHT_MODELS"):
        return pathlib.Path(own)
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(cache, "reelsight", "models")


def installed(name):
    found = sorted(models_folder().glob(f"*/*/{name}.onnx"))
    if not found:
        pytest.skip(f"model {name} is not installed; get it by: reelsight models pull")
    return found[-1]


@pytest.mark.parametrize("name", CASES)
def test_gives_what_the_published_implementation_gives(name):
    case = CASES[name]
    print(f"seed {case.seed}")
    session = onnxruntime.InferenceSession(installed(name), providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    golden = np.load(GOLDEN / f"{name}.npz")
    assert sorted(outputs) == sorted(golden.files)
    for output, values in zip(outputs, session.run(outputs, case.inputs()), strict=True):
        expected = golden[output]
        # Below 0.01 there are only probabilities of nothing.
        largest = max(np.abs(expected).max(), 0.01)
        np.testing.assert_allclose(
            kept(values), expected, rtol=0, atol=case.tolerance * largest, err_msg=f"{name} {output}"
        )


@pytest.mark.parametrize("name", CASES)
def test_uses_the_listed_operators_only(name):
    listed = {line.split("`")[1] for line in OPERATORS.read_text().splitlines() if line.startswith("| `")}
    used = {node.op_type for node in onnx.load(installed(name), load_external_data=False).graph.node}
    assert not used - listed


@pytest.mark.parametrize("name", ["centernet", "movenet_multipose", "ssd_mobilenet_v2"])
def test_pictures_of_a_batch_are_independent(name):
    session = onnxruntime.InferenceSession(installed(name), providers=["CPUExecutionProvider"])
    feeds = [CASES[name].feeds(np.random.default_rng(seed)) for seed in (1, 2)]
    together = session.run(None, {key: np.concatenate([feed[key] for feed in feeds]) for key in feeds[0]})
    for i, feed in enumerate(feeds):
        for one, both in zip(session.run(None, feed), together, strict=True):
            np.testing.assert_allclose(one[0], both[i], rtol=0, atol=5e-5 * np.abs(one).max())
