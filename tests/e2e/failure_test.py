# SPDX-License-Identifier: Apache-2.0
"""Peers that die, peers that dawdle, clients that go away, servers that are full or stop."""

import threading
import time

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

import clips
import servers
from stubs import pb

UNAVAILABLE = 14
DEADLINE_EXCEEDED = 4
RETRIES = "max_retries: 2 batch_timeout_seconds: 2"


@pytest.fixture
def gate():
    """What the slow analyzer waits for; opened at the end, so that no thread stays behind."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def slow(gate):
    analyzer = servers.SlowAnalyzer("slow", lambda context: gate.wait(60))
    yield analyzer
    gate.set()
    analyzer.stop()


def by_name(response):
    return {result.analyzer: result for result in response.results}


def test_peer_killed_mid_run_fails_alone(folder, lightweight, long_clip):
    doomed = servers.start_lightweight(
        folder, "doomed", extra='analyzers: "camera_analysis" analyzers: "cut_analysis"\n'
    )
    keeper = servers.start_lightweight(folder, "keeper", extra='analyzers: "color_analysis"\n')
    endpoints = servers.endpoint("doomed", doomed.address, extra=RETRIES)
    endpoints += servers.endpoint("keeper", keeper.address)
    process = servers.start_orchestrator(folder, endpoints, name="with_doomed")
    try:
        request = pb.AnalyzeRequest(uri=str(long_clip), analyzers=["color_analysis", "cut_analysis"])
        call = servers.connect(process.address).Analyze.future(request, timeout=100)
        servers.wait_until(lambda: doomed.metric("reelsight_frames_analyzed_total", analyzer="cut_analysis") > 50)
        doomed.kill()
        results = by_name(call.result())
        assert results["color_analysis"].status.code == 0
        assert results["color_analysis"].timing.frame_count == 120
        assert results["cut_analysis"].status.code == UNAVAILABLE
        assert results["cut_analysis"].status.reason == "RETRY_BUDGET_SPENT"
        assert results["cut_analysis"].WhichOneof("result") is None
        assert process.metric("reelsight_batch_retries_total", service="doomed") > 0
        # A peer that is gone shows in the list and in health, and the server goes on.
        servers.wait_until(lambda: process.metric("reelsight_service_available", service="doomed") == 0)
    finally:
        process.stop()
        keeper.stop()


def test_replica_takes_over(folder, long_clip):
    first = servers.start_lightweight(folder, "first")
    second = servers.start_lightweight(folder, "second")
    process = servers.start_orchestrator(
        folder, servers.endpoint("lightweight", first.address, second.address), name="with_replicas"
    )
    try:
        request = pb.AnalyzeRequest(uri=str(long_clip), analyzers=["color_analysis", "cut_analysis"])
        call = servers.connect(process.address).Analyze.future(request, timeout=100)
        servers.wait_until(lambda: first.metric("reelsight_frames_analyzed_total", analyzer="cut_analysis") > 50)
        assert second.metric("reelsight_frames_analyzed_total", analyzer="cut_analysis") > 0
        first.kill()
        response = call.result()
        assert [result.status.code for result in response.results] == [0, 0]
        assert by_name(response)["cut_analysis"].timing.frame_count == 1800
    finally:
        process.stop()
        second.stop()


def test_peer_that_is_not_there(folder, lightweight, three_shots):
    endpoints = servers.endpoint("lightweight", lightweight.address)
    endpoints += servers.endpoint("absent", f"127.0.0.1:{servers.free_port()}")
    process = servers.start_orchestrator(folder, endpoints, name="with_absent")
    try:
        stub = servers.connect(process.address)
        response = stub.Analyze(pb.AnalyzeRequest(uri=str(three_shots), analyzers=["cut_analysis"]), timeout=30)
        assert response.results[0].status.code == 0
    finally:
        process.stop()


def test_slow_analyzer_meets_its_deadline_and_the_others_answer(folder, lightweight, slow, three_shots):
    endpoints = servers.endpoint("lightweight", lightweight.address)
    endpoints += servers.endpoint("slow", slow.address, extra="batch_timeout_seconds: 1 max_retries: 0")
    process = servers.start_orchestrator(folder, endpoints, name="with_slow")
    try:
        begin = time.monotonic()
        request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["color_analysis", "slow"])
        results = by_name(servers.connect(process.address).Analyze(request, timeout=30))
        assert time.monotonic() - begin < 10 * servers.SLOWNESS
        assert results["color_analysis"].status.code == 0
        assert results["slow"].status.code in (DEADLINE_EXCEEDED, UNAVAILABLE)
        assert results["slow"].status.message
    finally:
        process.stop()


def test_client_gone_stops_the_work_within_a_second(orchestrator, stub, folder):
    path = clips.long_clip(folder / "very_long.mp4", seconds=150)
    request = pb.AnalyzeRequest(uri=str(path), analyzers=["camera_analysis", "color_analysis", "cut_analysis"])
    before = orchestrator.metric("reelsight_frames_decoded_total")
    cancelled = orchestrator.metric("reelsight_runs_total", code="CANCELLED")
    call = stub.AnalyzeStream(request, timeout=100)
    for event in call:
        if event.WhichOneof("event") == "progress" and event.progress.frames_decoded > 20:
            break
    call.cancel()
    servers.wait_until(lambda: orchestrator.metric("reelsight_runs_in_flight") == 0, seconds=1)
    assert orchestrator.metric("reelsight_runs_total", code="CANCELLED") == cancelled + 1
    assert orchestrator.metric("reelsight_frame_pool_used_bytes") == 0
    decoded = orchestrator.metric("reelsight_frames_decoded_total")
    assert decoded - before < 4500, "the clip was too short for this test"
    time.sleep(0.3)
    assert orchestrator.metric("reelsight_frames_decoded_total") == decoded


def test_cancel_reaches_the_analyzer(folder, slow, three_shots):
    process = servers.start_orchestrator(folder, servers.endpoint("slow", slow.address), name="cancel_reaches")
    try:
        request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["slow"])
        call = servers.connect(process.address).Analyze.future(request, timeout=60)
        servers.wait_until(lambda: slow.batches > 0)
        call.cancel()
        assert slow.cancelled.wait(1 * servers.SLOWNESS)
    finally:
        process.stop()


def test_full_server_says_when_to_come_back(folder, slow, gate, three_shots):
    process = servers.start_orchestrator(
        folder,
        servers.endpoint("slow", slow.address),
        extra="max_concurrent_runs: 1 max_queued_runs: 1\n",
        name="small_orchestrator",
    )
    try:
        stub = servers.connect(process.address)
        request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["slow"])
        first = stub.Analyze.future(request, timeout=60)
        servers.wait_until(lambda: process.metric("reelsight_runs_in_flight") == 1)
        second = stub.Analyze.future(request, timeout=60)
        servers.wait_until(lambda: process.metric("reelsight_runs_queued") == 1)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Analyze(request, timeout=10)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert servers.error_reason(caught.value)[0] == "SERVER_BUSY"
        retry = servers.error_detail(caught.value, error_details_pb2.RetryInfo)
        assert retry.retry_delay.ToMilliseconds() > 0
        gate.set()
        assert [call.result().results[0].status.code for call in (first, second)] == [0, 0]
    finally:
        process.stop()


def test_drain_finishes_what_is_under_way(folder, slow, gate, three_shots):
    process = servers.start_orchestrator(
        folder,
        servers.endpoint("slow", slow.address),
        server_extra="drain_grace_seconds: 1.5",
        name="draining",
    )
    channel = grpc.insecure_channel(process.address)
    health = health_pb2_grpc.HealthStub(channel)
    stub = servers.connect(process.address)
    request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["slow"])
    call = stub.Analyze.future(request, timeout=60)
    servers.wait_until(lambda: slow.batches > 0)
    process.popen.terminate()
    # Not ready first, while calls are still taken.
    status = health_pb2.HealthCheckResponse
    servers.wait_until(lambda: health.Check(health_pb2.HealthCheckRequest(), timeout=5).status == status.NOT_SERVING)
    assert process.popen.poll() is None
    gate.set()
    assert call.result().results[0].status.code == 0
    assert process.popen.wait(timeout=20) == 0


@pytest.mark.parametrize(
    ("config", "place"),
    [("no_such_field: 1\n", "1:"), ("\nserver { listen_address: 5 }\n", "2:")],
    ids=["unknown_field", "wrong_type"],
)
@pytest.mark.parametrize("binary", ["reelsight-orchestrator", "reelsight-lightweight"])
def test_wrong_configuration_names_line_and_column(tmp_path, binary, config, place):
    path = tmp_path / "wrong.textproto"
    path.write_text(config)
    process = servers.Process([servers.program(binary), "--config", path, "--check_config"], tmp_path, "check")
    assert process.popen.wait(timeout=20) == 2
    assert place in process.log()


@pytest.mark.parametrize("binary", ["reelsight-orchestrator", "reelsight-lightweight"])
def test_check_config_accepts_a_right_one(tmp_path, binary):
    path = tmp_path / "right.textproto"
    endpoints = servers.endpoint("lightweight", "127.0.0.1:7011") if "orchestrator" in binary else ""
    path.write_text(servers.server_text() + endpoints)
    process = servers.Process([servers.program(binary), "--config", path, "--check_config"], tmp_path, "check")
    assert process.popen.wait(timeout=20) == 0, process.log()


def test_embedded_server_offers_the_same_api(folder, three_shots):
    process = servers.start_embedded(folder)
    try:
        request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["cut_analysis"])
        response = servers.connect(process.address).Analyze(request, timeout=30)
        assert len(response.results[0].cut_analysis.transitions) == 2
        assert response.stats.sent_bytes == 0
    finally:
        assert process.stop() == 0
