# SPDX-License-Identifier: Apache-2.0
"""The detection service with what goes wrong: killed in the middle, models that are broken, too many for its memory.

Needs the default models of object_detection and body_pose: `reelsight models pull --defaults`."""

import contextlib
import json
import shutil
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import clips
import servers
from stubs import pb

DETECTORS = ["object_detection", "body_pose"]
DATA_LOSS = 15
RESOURCE_EXHAUSTED = 8
# Also for a machine that is busy with other things.
PATIENT = "max_retries: 12 batch_timeout_seconds: 150"
# Of each detection service.
THREADS = 2


@pytest.fixture(scope="module")
def store(models):
    """Folder of the installed models."""
    home = Path(models.get("HOME", "/"))
    cache = Path(models.get("XDG_CACHE_HOME") or home / ".cache")
    folder = Path(models.get("REELSIGHT_MODELS") or cache / "reelsight/models")
    for model in ("ssd_mobilenet_v2", "movenet_multipose"):
        if not list(folder.glob(f"{model}/*/*.onnx")):
            pytest.skip(f"{model} is not in {folder}; get it by: reelsight models pull --defaults")
    return folder


def start_detection(folder, store, name, extra="", listen="127.0.0.1:0"):
    path = folder / f"{name}.textproto"
    text = servers.server_text().replace("127.0.0.1:0", listen, 1)
    path.write_text(f"{text} threads: {THREADS} models {{ {extra} }}\n")
    command = [servers.program("reelsight-detection"), "--config", path]
    process = servers.Process(command, folder, name, env={"REELSIGHT_MODELS": str(store)})
    return process.wait_for_address(servers.json_addresses)


def by_name(response):
    return {result.analyzer: result for result in response.results}


def health(process):
    with grpc.insecure_channel(process.address) as channel:
        return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5).status


@pytest.fixture(scope="module")
def street(folder):
    """A part of bikes.mp4 with a man and a cyclist: long enough to be interrupted."""
    path = folder / "street.mp4"
    small = ("-vf", "scale=320:-2", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    clips.ffmpeg("-ss", 2.4, "-t", 3, "-i", clips.BIKES, "-an", *small, path)
    return path


def test_a_service_killed_and_started_again_costs_no_result(folder, store, lightweight, street):
    first = start_detection(folder, store, "detection_before")
    endpoints = servers.endpoint("lightweight", lightweight.address)
    endpoints += servers.endpoint("detection", first.address, extra=PATIENT)
    process = servers.start_orchestrator(folder, endpoints, name="with_detection")
    second = None
    try:
        request = pb.AnalyzeRequest(uri=str(street), analyzers=[*DETECTORS, "cut_analysis"])
        stub = servers.connect(process.address)
        call = stub.Analyze.future(request, timeout=200)
        servers.wait_until(lambda: first.metric("reelsight_model_run_duration_seconds_count") > 3, seconds=100)
        first.kill()
        second = start_detection(folder, store, "detection_after", listen=first.address)
        results = by_name(call.result())
        assert {name: result.status.code for name, result in results.items()} == dict.fromkeys(results, 0), results
        assert process.metric("reelsight_batch_retries_total", service="detection") > 0
        # The same as a run that nobody disturbed.
        again = by_name(stub.Analyze(request, timeout=200))
        for name in DETECTORS:
            assert results[name].timing.frame_count == again[name].timing.frame_count
            assert results[name].WhichOneof("result") == name
            assert getattr(results[name], name) == getattr(again[name], name)
    finally:
        process.stop()
        first.kill()
        if second is not None:
            second.stop()


def test_a_corrupt_model_fails_alone_and_the_service_lives(folder, store, lightweight, street):
    broken = folder / "broken_models"
    shutil.copytree(store, broken, ignore=shutil.ignore_patterns("compiled"))
    for path in broken.glob("ssd_mobilenet_v2/*/*.onnx"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    service = start_detection(folder, broken, "detection_broken")
    endpoints = servers.endpoint("lightweight", lightweight.address) + servers.endpoint("detection", service.address)
    process = servers.start_orchestrator(folder, endpoints, name="with_broken")
    try:
        stub = servers.connect(process.address)
        request = pb.AnalyzeRequest(uri=str(street), analyzers=[*DETECTORS, "color_analysis"])
        for _ in range(2):
            results = by_name(stub.Analyze(request, timeout=100))
            status = results["object_detection"].status
            assert (status.code, status.reason) == (DATA_LOSS, "MODEL_CORRUPT")
            assert "reelsight models pull ssd_mobilenet_v2 --force" in status.message
            assert results["object_detection"].WhichOneof("result") is None
            assert results["body_pose"].status.code == 0
            assert results["color_analysis"].status.code == 0
        assert health(service) == health_pb2.HealthCheckResponse.SERVING
    finally:
        process.stop()
        assert service.stop() == 0


def test_a_model_over_the_budget_says_what_to_raise(folder, store, street):
    service = start_detection(folder, store, "detection_tiny", extra="memory_budget_bytes: 1000000")
    process = servers.start_orchestrator(folder, servers.endpoint("detection", service.address), name="with_tiny")
    try:
        request = pb.AnalyzeRequest(uri=str(street), analyzers=DETECTORS)
        results = by_name(servers.connect(process.address).Analyze(request, timeout=100))
        for name in DETECTORS:
            status = results[name].status
            assert (status.code, status.reason) == (RESOURCE_EXHAUSTED, "MODEL_TOO_LARGE")
            assert "raise memory_budget_bytes" in status.message
    finally:
        process.stop()
        assert service.stop() == 0


def test_models_that_only_fit_one_by_one_serve_many_videos(folder, store, lightweight, street):
    """Two services on one machine, each with its own budget; in one there is room for one model at a time."""
    wide = start_detection(folder, store, "detection_wide")
    probe = servers.start_orchestrator(folder, servers.endpoint("detection", wide.address), name="with_wide")
    request = pb.AnalyzeRequest(uri=str(street), analyzers=DETECTORS)
    try:
        expected = by_name(servers.connect(probe.address).Analyze(request, timeout=100))
        sizes = [json.loads(line)["bytes"] for line in wide.log().splitlines() if '"model loaded"' in line]
        # Sizes are measured; those of two runs differ a little.
        budget = int(1.15 * max(sizes))
        narrow = start_detection(folder, store, "detection_narrow", extra=f"memory_budget_bytes: {budget}")
        process = servers.start_orchestrator(
            folder, servers.endpoint("detection", narrow.address, extra=PATIENT), name="with_narrow"
        )
        try:
            stub = servers.connect(process.address)
            calls = [stub.Analyze.future(request, timeout=200) for _ in range(4)]
            for call in calls:
                results = by_name(call.result())
                for name in DETECTORS:
                    assert results[name].status.code == 0, results[name].status
                    assert getattr(results[name], name) == getattr(expected[name], name)
            assert narrow.metric("reelsight_model_evictions_total") > 0
            assert wide.metric("reelsight_model_evictions_total") == 0
            assert narrow.metric("reelsight_model_cache_used_bytes") <= budget
        finally:
            process.stop()
            narrow.stop()
    finally:
        probe.stop()
        wide.stop()


def runnable_threads(pid):
    """How many threads of a process run, or could."""
    count = 0
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            count += stat.read_text().rsplit(")", 1)[1].split()[0] == "R"
    return count


def test_several_models_and_videos_do_not_oversubscribe(folder, store, street):
    """Each model has threads of its own, but no more of them compute at once than the service was given."""
    service = start_detection(folder, store, "detection_two")
    process = servers.start_orchestrator(
        folder, servers.endpoint("detection", service.address, extra=PATIENT), name="with_two"
    )
    try:
        stub = servers.connect(process.address)
        request = pb.AnalyzeRequest(uri=str(street), analyzers=DETECTORS)
        stub.Analyze(request, timeout=100)
        calls = [stub.Analyze.future(request, timeout=200) for _ in range(4)]
        runnable = []
        while not all(call.done() for call in calls):
            runnable.append(runnable_threads(service.pid))
            time.sleep(0.01)
        for call in calls:
            results = by_name(call.result())
            assert {name: result.status.code for name, result in results.items()} == dict.fromkeys(DETECTORS, 0), (
                results
            )
        mean = sum(runnable) / len(runnable)
        print(f"{len(runnable)} samples: {mean:.2f} runnable threads on average, at most {max(runnable)}")
        # Where the machine is busy with other things, threads that have little to do stay runnable for longer.
        assert mean < THREADS + 1
    finally:
        process.stop()
        service.stop()
