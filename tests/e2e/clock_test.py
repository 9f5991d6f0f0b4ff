# SPDX-License-Identifier: Apache-2.0
"""The real server while its wall clock is set back and forth by hours. libfaketime moves what a process reads of it."""

import itertools
import threading
import time
from concurrent import futures
from pathlib import Path

import grpc
import pytest

import clips
import servers
from stubs import pb
from upload_test import upload

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
# By how much the clock is wrong.
STEPS = ["+0", "+5h", "-5h", "+30h", "-2h", "+1h"]
# Longer than any run here takes, shorter than any step.
LONGEST_SECONDS = 300


class Clock:
    """The wall clock of the servers."""

    def __init__(self, folder):
        self.file = folder / "clock"
        self.set("+0")
        self.env = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset):
        fresh = self.file.with_suffix(".fresh")
        fresh.write_text(offset + "\n")
        fresh.rename(self.file)


class Stepping:
    """Sets the clock back and forth as long as it lives."""

    def __init__(self, clock):
        self.clock = clock
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        for offset in itertools.cycle(STEPS):
            if self.stopped.wait(0.03):
                break
            self.clock.set(offset)
        self.clock.set("+0")

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    if not LIBRARY.exists():
        pytest.skip("libfaketime is not installed")
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def held():
    """An analyzer that answers when its event is set."""
    event = threading.Event()
    analyzer = servers.SlowAnalyzer("held", lambda context: event.wait(LONGEST_SECONDS))
    analyzer.event = event
    yield analyzer
    event.set()
    analyzer.stop()


@pytest.fixture(scope="module")
def server(clock, held, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stepped")
    lightweight = servers.start_lightweight(folder, name="stepped_lightweight", env=clock.env)
    endpoints = servers.endpoint("lightweight", lightweight.address) + servers.endpoint("held", held.address)
    process = servers.start_orchestrator(
        folder, endpoints, extra="max_concurrent_runs: 4 max_queued_runs: 64", name="stepped", env=clock.env
    )
    process.lightweight = lightweight
    yield process
    assert process.stop() == 0
    assert lightweight.stop() == 0


@pytest.fixture
def stepped_stub(server):
    return servers.connect(server.address)


def durations_of(response):
    """Every length of time in an answer."""
    yield response.stats.elapsed
    for stage in response.stats.stages:
        yield stage.time
    for result in response.results:
        for _, value in result.timing.ListFields():
            if hasattr(value, "ToTimedelta"):
                yield value


def test_under_load_everything_ends_in_time_and_no_length_is_wrong(clock, server, stepped_stub):
    request = pb.AnalyzeRequest(uri=str(clips.BIKES), analyzers=["cut_analysis", "color_analysis"])
    with Stepping(clock), futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: stepped_stub.Analyze(request, timeout=LONGEST_SECONDS), range(12)))
    for response in answers:
        assert [result.status.code for result in response.results] == [0, 0]
        lengths = [length.ToTimedelta().total_seconds() for length in durations_of(response)]
        assert len(lengths) > 8
        assert min(lengths) >= 0
        assert max(lengths) < LONGEST_SECONDS
    for process in (server, server.lightweight):
        for series, value in process.metrics().items():
            name, brace, labels = series.partition("{")
            if name.endswith("_sum"):
                count = process.metrics()[name.removesuffix("_sum") + "_count" + brace + labels]
                assert 0 <= value <= count * LONGEST_SECONDS * 100, (series, value, count)


def test_progress_flows_after_the_clock_was_set_back(clock, held, stepped_stub):
    """While a service is slow, progress comes ten times a second, whatever the clock says."""
    held.event.clear()
    request = pb.AnalyzeRequest(uri=str(clips.BIKES), analyzers=["held"])
    call = stepped_stub.AnalyzeStream(request, timeout=LONGEST_SECONDS)
    try:
        seen = 0
        # Not by deadline of the call: at its end there is progress in any case.
        quiet = threading.Timer(60 * servers.SLOWNESS, call.cancel)
        quiet.start()
        for message in call:
            if message.HasField("progress"):
                seen += 1
                clock.set("-" + str(5 * seen) + "h")
            if seen == 5:
                held.event.set()
        quiet.cancel()
        assert seen >= 5
    finally:
        held.event.set()
        clock.set("+0")


def test_deadlines_are_kept(clock, held, stepped_stub):
    held.event.clear()
    try:
        for offset in ("-5h", "+5h"):
            clock.set("+0")
            begin, before = time.monotonic(), held.batches
            call = stepped_stub.Analyze.future(
                pb.AnalyzeRequest(uri=str(clips.BIKES), analyzers=["held", "color_analysis"]), timeout=4
            )
            servers.wait_until(lambda before=before: held.batches > before)
            clock.set(offset)
            results = {result.analyzer: result.status.code for result in call.result().results}
            assert results == {"held": grpc.StatusCode.DEADLINE_EXCEEDED.value[0], "color_analysis": 0}
            assert time.monotonic() - begin < 30 * servers.SLOWNESS
    finally:
        held.event.set()
        clock.set("+0")


def test_answers_and_uploads_are_kept_as_long_as_they_should(clock, stepped_stub):
    clock.set("+0")
    held_upload = upload(stepped_stub, clips.BIKES.read_bytes()).upload_id
    request = pb.AnalyzeRequest(upload_id=held_upload, analyzers=["color_analysis"], request_id="kept")
    assert not stepped_stub.Analyze(request, timeout=LONGEST_SECONDS).stats.replayed
    for offset in ("+5h", "-5h"):
        clock.set(offset)
        assert stepped_stub.Analyze(request, timeout=LONGEST_SECONDS).stats.replayed
        # The store keeps an upload for an hour: not less because the clock says so.
        again = pb.AnalyzeRequest(upload_id=held_upload, analyzers=["color_analysis"])
        assert stepped_stub.Analyze(again, timeout=LONGEST_SECONDS).results[0].status.code == 0
    clock.set("+0")
