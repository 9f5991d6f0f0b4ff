# SPDX-License-Identifier: Apache-2.0
"""What the README shows works as it stands there."""

import os
import re
import shutil
import subprocess
import sys

import pytest

import clips
import servers
from stubs import FOLDER, ROOT

README = (ROOT / "README.md").read_text()
ADDRESS = "127.0.0.1:7010"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_python_call(orchestrator, tmp_path):
    code = blocks("python")[0]
    calls = [line for line in code.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(calls) <= 10
    assert ADDRESS in code
    (tmp_path / "clip.mp4").write_bytes(clips.BIKES.read_bytes())
    script = tmp_path / "call.py"
    script.write_text(code.replace(ADDRESS, orchestrator.address))
    environment = {**os.environ, "PYTHONPATH": FOLDER}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "HARD_CUT" in done.stdout


def test_grpcurl_calls(orchestrator):
    if shutil.which("grpcurl") is None:
        pytest.skip("grpcurl is not installed; Debian does not package it")
    block = next(block for block in blocks("sh") if "grpcurl" in block)
    done = subprocess.run(
        ["bash", "-ec", block.replace(ADDRESS, orchestrator.address)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"cut_analysis"' in done.stdout
    assert '"cut_analysis": {' in done.stdout


def test_analyze_commands(tmp_path):
    block = next(block for block in blocks("sh") if "reelsight analyze clip.mp4" in block)
    (tmp_path / "clip.mp4").write_bytes(clips.BIKES.read_bytes())
    commands = block.replace("build/release/bin/reelsight", str(servers.program("reelsight")))
    done = subprocess.run(
        ["bash", "-ec", commands], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").exists()
    assert '"cutAnalysis"' in done.stdout
