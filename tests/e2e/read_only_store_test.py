# SPDX-License-Identifier: Apache-2.0
"""Models in a folder that the program may not write: it loads them all the same."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import servers
from stubs import ROOT

MODEL = "tiny_segformer"
WEIGHTS = ROOT / f"services/segmentation/background_segmentation/testdata/{MODEL}/1/{MODEL}.onnx"
NOBODY = 65534


@pytest.fixture
def store(three_shots):
    """A store with one installed model, a clip beside it; all without a right to write."""
    # Outside of pytest's folders, which only their owner may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
        (folder / "mine.textproto").write_text(
            f'models {{ name: "{MODEL}" version: "1" task: "background_segmentation" license: "Apache-2.0" '
            f'family: "segformer" input {{ width_px: 64 height_px: 64 }} files {{ name: "{MODEL}.onnx" '
            f'sha256: "{digest}" size_bytes: {WEIGHTS.stat().st_size} path: "{WEIGHTS}" }} }}\n'
        )
        installed = folder / "models" / MODEL / "1"
        installed.mkdir(parents=True)
        shutil.copy(WEIGHTS, installed)
        shutil.copy(three_shots, folder / "clip.mp4")
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield folder
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)


def analyze(folder, **options):
    command = [servers.program("reelsight"), "analyze", folder / "clip.mp4", "--analyzers", "background_segmentation"]
    command += ["--option", f"background_segmentation.model={MODEL}", "--format", "json"]
    environment = {**os.environ, "REELSIGHT_MODELS": str(folder / "models"), "TMPDIR": "/tmp"}
    environment["REELSIGHT_MODEL_CATALOGS"] = str(folder / "mine.textproto")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120, **options)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def test_a_store_that_cannot_be_written_serves(store):
    # Root may write everywhere.
    someone_else = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    code, answer, errors = analyze(store, **someone_else)
    assert code == 0, errors
    assert answer["results"][0]["status"]["code"] == "OK"
    assert sorted(path.name for path in (store / "models").rglob("*")) == ["1", MODEL, f"{MODEL}.onnx"]
