# SPDX-License-Identifier: Apache-2.0
"""Runs with large results, several at once: what they took comes back to the system when they are over."""

import threading
from pathlib import Path

import grpc
import pytest

import clips
import servers
from stubs import pb

FRAMES = 40_000
# How much larger than at rest a server may stay.
MAY_STAY_BYTES = 100 << 20
# It must have been larger by this, or the test shows nothing.
MUST_GROW_BYTES = 300 << 20


@pytest.fixture(scope="module")
def many_frames(folder):
    """Tiny pictures, but each has its results: some KiB of memory for a byte or two of the clip."""
    path = folder / "many_frames.mp4"
    clips.ffmpeg(
        *("-f", "lavfi", "-i", "color=gray:size=16x16:rate=240", "-frames:v", FRAMES),
        *("-c:v", "libx264", "-preset", "ultrafast", "-threads", 1, "-pix_fmt", "yuv420p", path),
    )
    return path


@pytest.fixture(scope="module")
def cut_off(folder, many_frames):
    """The same without its end: the index comes first, so that the run fails or ends early after much work."""
    whole = folder / "index_first.mp4"
    clips.ffmpeg("-i", many_frames, "-c", "copy", "-movflags", "+faststart", whole)
    path = folder / "cut_off.mp4"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    return path


def resident_bytes(process):
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


class Peaks:
    """Largest sizes of processes while it is entered."""

    def __init__(self, processes):
        self.bytes = {process.name: 0 for process in processes}
        self._processes = processes
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self._over.wait(0.02):
            for process in self._processes:
                self.bytes[process.name] = max(self.bytes[process.name], resident_bytes(process))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def all_at_once(stub, many_frames, cut_off):
    """Streams and plain calls, by path and by content; one fails or ends early, one is cancelled halfway."""
    every_frame = {"sample_fps": {name: 240 for name in servers.BUILT_IN}}
    content = many_frames.read_bytes()
    requests = {
        "stream by path": pb.AnalyzeRequest(uri=str(many_frames), **every_frame),
        "plain by content": pb.AnalyzeRequest(content=content, **every_frame),
        "kept": pb.AnalyzeRequest(uri=str(many_frames), request_id="kept", **every_frame),
    }
    streams = {name: stub.AnalyzeStream(requests[name], timeout=600) for name in ("stream by path",)}
    calls = {name: stub.Analyze.future(requests[name], timeout=600) for name in ("plain by content", "kept")}
    broken = stub.Analyze.future(pb.AnalyzeRequest(uri=str(cut_off), **every_frame), timeout=600)
    gone = stub.AnalyzeStream(pb.AnalyzeRequest(content=content, **every_frame), timeout=600)
    for message in gone:
        if message.HasField("progress") and message.progress.decoded_fraction > 0.5:
            gone.cancel()
            break
    assert [message.response for message in streams["stream by path"]][-1].stats.frames_decoded == FRAMES
    for name, call in calls.items():
        assert call.result().stats.frames_decoded == FRAMES, name
    try:
        broken.result()
    except grpc.RpcError as error:
        assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.DATA_LOSS), error


def check(processes, address, many_frames, cut_off, small):
    stub = servers.connect(address)
    # What is made once, at first use, is part of a process at rest.
    stub.Analyze(pb.AnalyzeRequest(uri=str(small)), timeout=60)
    at_rest = {process.name: resident_bytes(process) for process in processes}
    with Peaks(processes) as peaks:
        all_at_once(stub, many_frames, cut_off)
    assert max(peaks.bytes[name] - at_rest[name] for name in at_rest) > MUST_GROW_BYTES
    for process in processes:
        servers.wait_until(lambda p=process: resident_bytes(p) - at_rest[p.name] < MAY_STAY_BYTES, 30)
        print(process.name, at_rest[process.name] >> 20, peaks.bytes[process.name] >> 20, resident_bytes(process) >> 20)


def test_memory_comes_back_to_the_embedded_server(tmp_path, folder, many_frames, cut_off, three_shots):
    extra = "max_concurrent_runs: 5\n"
    server = servers.start_embedded(tmp_path, root=folder, extra=extra)
    check([server], server.address, many_frames, cut_off, three_shots)
    assert server.stop() == 0


def test_memory_comes_back_to_orchestrator_and_service(tmp_path, folder, many_frames, cut_off, three_shots):
    service = servers.start_lightweight(tmp_path)
    endpoints = servers.endpoint("lightweight", service.address)
    roots = f'max_concurrent_runs: 5 sources {{ file_roots: "{folder}" }}\n'
    server = servers.start_orchestrator(tmp_path, endpoints, extra=roots)
    check([server, service], server.address, many_frames, cut_off, three_shots)
    assert server.stop() == 0
    assert service.stop() == 0
