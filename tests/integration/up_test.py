# SPDX-License-Identifier: Apache-2.0
"""`make up`: all programs on their usual ports, with the configurations of deploy/local."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../e2e"))

import servers
from stubs import ROOT, pb

PORTS = (7010, 7011, 7012, 7013, 9010, 9011, 9012, 9013)


@pytest.fixture
def free_ports():
    for port in PORTS:
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"port {port} of this machine is in use")


def start(log):
    command = ["bash", ROOT / "scripts/up", ROOT / ".deps/media"]
    return subprocess.Popen(command, stdout=log.open("wb"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def wait_for(log, text, seconds=30):
    end = time.monotonic() + seconds * servers.SLOWNESS
    while time.monotonic() < end:
        if text in log.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.mark.parametrize("name", ["lightweight", "detection", "segmentation", "orchestrator"])
def test_local_configurations_are_valid(name):
    command = [servers.program(f"reelsight-{name}"), "--config", ROOT / f"deploy/local/{name}.textproto"]
    done = subprocess.run([*command, "--check_config"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_serves_until_interrupted(free_ports, tmp_path):
    log = tmp_path / "log"
    process = start(log)
    try:
        wait_for(log, "up: ready")
        stub = servers.connect("127.0.0.1:7010")
        request = pb.AnalyzeRequest(uri=str(ROOT / ".deps/media/bikes.mp4"), analyzers=["cut_analysis"])
        assert stub.Analyze(request, timeout=60).results[0].status.code == 0
        second = subprocess.run(["bash", ROOT / "scripts/up"], capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode == 1
        assert "port 7010 is in use" in second.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.terminate()
        process.wait(timeout=60)
    assert "[orchestrator]" in log.read_text()
    for port in PORTS:
        with contextlib.closing(socket.socket()) as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"something still listens on {port}"


def test_a_missing_folder_is_a_usage_error():
    done = subprocess.run(
        ["bash", ROOT / "scripts/up", "/no/such/folder"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "/no/such/folder is no folder" in done.stderr
