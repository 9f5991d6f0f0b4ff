# SPDX-License-Identifier: Apache-2.0
"""`make bench-models` works: one short turn of what needs no peer. Its figures are not looked at."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("models.py")


@pytest.mark.timeout(300)
def test_one_turn_of_service_and_engine():
    environment = {"REELSIGHT_BUILD_DIR": str(SCRIPT.parents[2] / "build/release"), **os.environ}
    command = [sys.executable, str(SCRIPT), "--smoke", "--only", "service"]
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    if "is left out: not installed" in done.stdout:
        pytest.skip(done.stdout)
    assert done.stdout.count("| Service |") == 2, done.stdout
