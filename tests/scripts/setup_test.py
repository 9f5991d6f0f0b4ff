# SPDX-License-Identifier: Apache-2.0
"""scripts/setup installs what is missing and nothing else. The tools it calls are stand-ins that note their calls."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Machine:
    """A checkout whose wheels are in place, and a PATH that holds nothing but what is put there."""

    def __init__(self, folder):
        self.root = folder / "checkout"
        self.tools = folder / "tools"
        self.log = folder / "log"
        (self.root / ".deps").mkdir(parents=True)
        self.tools.mkdir()
        shutil.copytree(ROOT / "scripts", self.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        (self.root / ".deps/convert").mkdir()
        for stamp, wheels in (
            ("data.stamp", "data"),
            ("openvino.stamp", "openvino"),
            ("convert/wheels.stamp", "convert"),
        ):
            content = (ROOT / f"scripts/requirements/{wheels}.txt").read_bytes()
            (self.root / ".deps" / stamp).write_text(hashlib.sha256(content).hexdigest() + "  -\n")
        for tool in ("bash", "env", "dirname", "grep", "cat", "sha256sum"):
            (self.tools / tool).symlink_to(shutil.which(tool))
        self.tool("apt-get", f'echo "apt-get $*" >>{self.log}')

    def tool(self, name, script):
        path = self.tools / name
        path.write_text(f"#!/usr/bin/env bash\n{script}\n")
        path.chmod(0o755)

    def setup(self):
        done = subprocess.run(
            [self.root / "scripts/setup", "demo"],
            env={"PATH": str(self.tools)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done, self.log.read_text() if self.log.exists() else ""


@pytest.fixture
def machine(tmp_path):
    """All packages but cmake and ninja-build are installed; the user is root."""
    made = Machine(tmp_path)
    made.tool("id", "echo 0")
    made.tool("dpkg-query", '[[ "$*" == *cmake || "$*" == *ninja-build ]] || echo -n installed')
    return made


def test_root_installs_what_is_missing(machine):
    done, log = machine.setup()
    assert done.returncode == 0, done.stderr
    assert "installing 2 Debian packages: cmake ninja-build" in done.stdout
    update, install = log.splitlines()
    assert update.startswith("apt-get update")
    assert install.endswith(" cmake ninja-build")


def test_a_user_goes_through_sudo(machine):
    machine.tool("id", "echo 1000")
    machine.tool("sudo", f'echo -n "sudo " >>{machine.log}; exec "$@"')
    done, log = machine.setup()
    assert done.returncode == 0, done.stderr
    assert [line.startswith("sudo apt-get ") for line in log.splitlines()] == [True, True]


def test_a_user_without_sudo_is_told_what_to_run(machine):
    machine.tool("id", "echo 1000")
    done, log = machine.setup()
    assert done.returncode == 1
    assert "as root, run: apt-get install cmake ninja-build" in done.stderr
    assert log == ""


def test_nothing_is_installed_twice(machine):
    machine.tool("dpkg-query", "echo -n installed")
    done, log = machine.setup()
    assert (done.returncode, done.stdout, log) == (0, "setup: ready (demo)\n", "")


def test_an_unknown_profile_is_a_usage_error():
    done = subprocess.run([ROOT / "scripts/setup", "none"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage: scripts/setup" in done.stderr
