# SPDX-License-Identifier: Apache-2.0
"""Small files that claim much: each ends soon, whatever its answer, and takes little memory."""

import os
import time
from pathlib import Path

import grpc
import pytest

import clips
import hostile_containers
import hostile_movies
import servers
from stubs import pb

MAX_SECONDS = 2
MAX_MIB = 300
# Sanitizers keep memory that was given back.
MEASURES_MEMORY = "san" not in os.environ.get("REELSIGHT_BUILD_DIR", "")
FILES = dict(hostile_movies.variants()) | dict(hostile_containers.variants())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = servers.start_embedded(tmp_path_factory.mktemp("hostile"))
    # What is loaded once does not count.
    request = pb.AnalyzeRequest(content=clips.BIKES.read_bytes(), analyzers=["color_analysis"])
    servers.connect(process.address).Analyze(request, timeout=60 * servers.SLOWNESS)
    yield process
    assert process.stop() == 0


def memory_mib(pid, field):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("name", FILES)
def test_ends_soon_and_takes_little_memory(server, name):
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")
    idle = memory_mib(server.pid, "VmRSS")
    spent = processor_seconds(server.pid)
    start = time.monotonic()
    request = pb.AnalyzeRequest(content=FILES[name], analyzers=["color_analysis"])
    try:
        servers.connect(server.address).Analyze(request, timeout=60 * servers.SLOWNESS)
    except grpc.RpcError as error:
        code, (reason, _) = error.code(), servers.error_reason(error)
        refusals = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
        assert code in refusals and reason, error.details()
    # On a busy machine others take the processor; the time it worked is bounded whatever they do.
    seconds = min(time.monotonic() - start, processor_seconds(server.pid) - spent)
    assert seconds < MAX_SECONDS * servers.SLOWNESS
    if MEASURES_MEMORY:
        assert memory_mib(server.pid, "VmHWM") - idle < MAX_MIB
