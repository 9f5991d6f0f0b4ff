# SPDX-License-Identifier: Apache-2.0
"""Peers that die, peers that dawdle, clients that go away, servers that are full or stop."""

import hashlib
import signal
import threading
import time
from concurrent import futures

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

import clips
import servers
from stubs import analyzer_pb, pb

UNKNOWN = 2
DEADLINE_EXCEEDED = 4
RESOURCE_EXHAUSTED = 8
INTERNAL = 13
UNAVAILABLE = 14
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


class OddAnalyzer:
    """An analyzer `odd` in this process; `answer` makes the bytes of its answer to a batch."""

    def __init__(self):
        self.answer = None
        self.batches = 0
        handlers = {
            "Describe": grpc.unary_unary_rpc_method_handler(lambda request, context: self.description()),
            "AnalyzeFrames": grpc.unary_unary_rpc_method_handler(
                self.analyze, request_deserializer=analyzer_pb.AnalyzeFramesRequest.FromString
            ),
        }
        handler = grpc.method_handlers_generic_handler("reelsight.analyzer.v1.AnalyzerService", handlers)
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[handler], options=options)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    @staticmethod
    def description():
        response = analyzer_pb.DescribeResponse(service="odd", version="1", parallelism=1)
        spec = analyzer_pb.FrameSpec(format=analyzer_pb.PIXEL_FORMAT_GRAY8, max_side_px=32)
        sampling = analyzer_pb.Sampling(sample_fps=2)
        response.analyzers.add(name="odd", frame_spec=spec, sampling=sampling, batch_frames=4, available=True)
        return response.SerializeToString()

    def analyze(self, request, context):
        self.batches += 1
        return self.answer(request)


def no_results(request):
    return b""


def other_frames(request):
    response = analyzer_pb.AnalyzeFramesResponse()
    results = response.results.add(analyzer="odd").results
    for frame in request.frames:
        results.add(index=frame.index + 1)
    return response.SerializeToString()


def not_a_message(request):
    return b"\xff" * 100


def too_large(request):
    response = analyzer_pb.AnalyzeFramesResponse()
    response.results.add(analyzer="odd").results.add(payload=bytes(servers.MAX_MESSAGE + 1))
    return response.SerializeToString()


def strange_code(request):
    response = analyzer_pb.AnalyzeFramesResponse()
    failure = response.results.add(analyzer="odd").failure
    failure.code, failure.message = 99, "no such code"
    return response.SerializeToString()


@pytest.fixture(scope="module")
def odd(folder, lightweight):
    """The odd analyzer, and a stub of an orchestrator that uses it and the lightweight service."""
    analyzer = OddAnalyzer()
    endpoints = servers.endpoint("lightweight", lightweight.address) + servers.endpoint("odd", analyzer.address)
    process = servers.start_orchestrator(folder, endpoints, name="with_odd")
    yield analyzer, servers.connect(process.address)
    process.stop()
    analyzer.server.stop(0).wait()


def health(process):
    with grpc.insecure_channel(process.address) as channel:
        return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5).status


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


def test_all_replicas_gone_is_said_at_once_and_forgotten_when_they_are_back(folder, three_shots):
    replica = servers.start_lightweight(folder, "to_come_back")
    process = servers.start_orchestrator(folder, servers.endpoint("lightweight", replica.address), name="with_comeback")
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["color_analysis"])
    stub = servers.connect(process.address)
    try:
        assert stub.Analyze(request, timeout=30).results[0].status.code == 0
        assert health(process) == serving
        replica.kill()
        begin = time.monotonic()
        status = stub.Analyze(request, timeout=30).results[0].status
        assert time.monotonic() - begin < 3 * servers.SLOWNESS
        assert (status.code, status.reason) == (UNAVAILABLE, "RETRY_BUDGET_SPENT")
        assert "lightweight" in status.message
        # An orchestrator that can analyse nothing does not call itself healthy.
        servers.wait_until(lambda: health(process) == not_serving)
        # It comes back at the same address, with fewer analyzers.
        text = servers.server_text().replace('"127.0.0.1:0"', f'"{replica.address}"', 1)
        replica = servers.start_service("reelsight-lightweight", text + 'analyzers: "color_analysis"', folder, "back")
        servers.wait_until(lambda: health(process) == serving)
        assert stub.Analyze(request, timeout=30).results[0].status.code == 0
        listed = stub.ListAnalyzers(pb.ListAnalyzersRequest(), timeout=10).analyzers
        assert [analyzer.name for analyzer in listed] == ["color_analysis"]
    finally:
        process.stop()
        replica.stop()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (no_results, INTERNAL),
        (other_frames, INTERNAL),
        (not_a_message, INTERNAL),
        (too_large, RESOURCE_EXHAUSTED),
        (strange_code, UNKNOWN),
    ],
)
def test_peer_that_answers_wrongly_fails_alone_and_at_once(odd, three_shots, answer, code):
    analyzer, stub = odd
    analyzer.answer, analyzer.batches = answer, 0
    request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["color_analysis", "odd"])
    results = by_name(stub.Analyze(request, timeout=20))
    assert results["color_analysis"].status.code == 0
    assert results["odd"].status.code == code, results["odd"].status
    assert results["odd"].status.reason
    assert results["odd"].status.message
    assert analyzer.batches <= 2, "an answer like this is not worth another try"


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


def test_clients_that_go_at_any_moment_leave_nothing_behind(orchestrator, lightweight, stub, long_clip):
    """Streams and plain calls, cancelled after 0 to 600 ms."""
    for i in range(30):
        request = pb.AnalyzeRequest(uri=str(long_clip), request_id=f"gone {i}" if i % 3 == 0 else "")
        call = stub.AnalyzeStream(request, timeout=100) if i % 2 else stub.Analyze.future(request, timeout=100)
        time.sleep(0.02 * i)
        call.cancel()

    def at_rest():
        held = {
            name: orchestrator.metric(f"reelsight_{name}")
            for name in (
                "runs_in_flight",
                "runs_queued",
                "batches_in_flight",
                "requests_in_flight",
                "frame_pool_used_bytes",
            )
        }
        held |= {name: lightweight.metric(f"reelsight_{name}") for name in ("queue_length", "workers_busy")}
        return not any(held.values())

    servers.wait_until(at_rest, seconds=5)


def test_upload_whose_client_goes_is_kept_and_resumed(orchestrator, stub, three_shots):
    data = three_shots.read_bytes()
    half = len(data) // 2
    sent, gone = threading.Event(), threading.Event()

    def opening(**fields):
        return pb.UploadVideoRequest(open=pb.UploadVideoRequest.Open(**fields))

    def chunk(piece, last=False):
        return pb.UploadVideoRequest(chunk=pb.UploadVideoRequest.Chunk(data=piece, last=last))

    # Opening alone tells the id, so that it is known whatever comes.
    digest = hashlib.sha256(data).hexdigest()
    upload_id = stub.UploadVideo(iter([opening(total_bytes=len(data), sha256=digest)]), timeout=10).upload_id

    def first_half():
        yield opening(upload_id=upload_id)
        yield chunk(data[:half])
        sent.set()
        gone.wait(20)

    def committed():
        query = opening(upload_id=upload_id, query_only=True)
        return stub.UploadVideo(iter([query]), timeout=10).committed_bytes

    call = stub.UploadVideo.future(first_half(), timeout=60)
    assert sent.wait(10)
    servers.wait_until(lambda: committed() == half)
    call.cancel()
    servers.wait_until(lambda: orchestrator.metric("reelsight_requests_in_flight", method="UploadVideo") == 0)
    gone.set()
    rest = [opening(upload_id=upload_id, offset=half), chunk(data[half:], last=True)]
    assert stub.UploadVideo(iter(rest), timeout=20).complete


def test_waiters_of_one_run_leave_one_by_one(folder, slow, gate, three_shots):
    process = servers.start_orchestrator(folder, servers.endpoint("slow", slow.address), name="with_waiters")
    try:
        stub = servers.connect(process.address)
        request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["slow"], request_id="shared")
        first = stub.Analyze.future(request, timeout=60)
        servers.wait_until(lambda: slow.batches > 0)
        second = stub.Analyze.future(request, timeout=60)
        third = stub.Analyze.future(request, timeout=60)
        calls = "reelsight_requests_in_flight"
        servers.wait_until(lambda: process.metric(calls, method="Analyze") == 3)
        # The run goes on for those who stay.
        first.cancel()
        servers.wait_until(lambda: process.metric(calls, method="Analyze") == 2)
        assert process.metric("reelsight_runs_in_flight") == 1
        assert not slow.cancelled.is_set()
        # The last one takes it along.
        second.cancel()
        third.cancel()
        assert slow.cancelled.wait(2 * servers.SLOWNESS)
        servers.wait_until(lambda: process.metric("reelsight_runs_in_flight") == 0)
        # A run that nobody waited for is not an answer.
        gate.set()
        again = stub.Analyze(request, timeout=30)
        assert again.results[0].status.code == 0
        assert not again.stats.replayed
        assert stub.Analyze(request, timeout=30).stats.replayed
    finally:
        process.stop()


def test_long_clip_does_not_starve_a_short_one(stub, folder, three_shots):
    long = clips.long_clip(folder / "starving.mp4", seconds=150)
    names = ["camera_analysis", "color_analysis", "cut_analysis"]
    call = stub.AnalyzeStream(pb.AnalyzeRequest(uri=str(long), analyzers=names), timeout=300)
    done = threading.Event()
    under_way = threading.Event()

    def follow():
        try:
            for event in call:
                if event.WhichOneof("event") == "progress" and event.progress.frames_decoded > 20:
                    under_way.set()
                if event.WhichOneof("event") == "response":
                    done.set()
        except grpc.RpcError:
            pass

    follower = threading.Thread(target=follow)
    follower.start()
    assert under_way.wait(30)
    begin = time.monotonic()
    for _ in range(3):
        response = stub.Analyze(pb.AnalyzeRequest(uri=str(three_shots), analyzers=names), timeout=60)
        assert [result.status.code for result in response.results] == [0, 0, 0]
    took = time.monotonic() - begin
    assert not done.is_set(), f"three short clips took {took:.1f} s, longer than the long one"
    call.cancel()
    follower.join()


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


def test_drain_whose_time_is_over_cancels_and_says_so(folder, slow, three_shots):
    process = servers.start_orchestrator(
        folder, servers.endpoint("slow", slow.address), server_extra="drain_seconds: 0.5", name="impatient"
    )
    request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["slow"])
    call = servers.connect(process.address).Analyze.future(request, timeout=60)
    servers.wait_until(lambda: slow.batches > 0)
    process.popen.terminate()
    error = call.exception()
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert servers.error_reason(error)[0] == "SERVER_DRAINING"
    assert process.popen.wait(timeout=10 * servers.SLOWNESS) == 0
    assert slow.cancelled.wait(1)


def test_second_signal_ends_at_once(folder, slow, three_shots):
    process = servers.start_orchestrator(folder, servers.endpoint("slow", slow.address), name="hasty")
    request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["slow"])
    call = servers.connect(process.address).Analyze.future(request, timeout=60)
    servers.wait_until(lambda: slow.batches > 0)
    process.popen.terminate()
    servers.wait_until(lambda: "a second signal" in process.log())
    assert process.popen.poll() is None
    process.popen.terminate()
    assert process.popen.wait(timeout=5 * servers.SLOWNESS) in (128 + signal.SIGTERM, -signal.SIGTERM)
    assert call.exception().code() == grpc.StatusCode.UNAVAILABLE


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


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--cpus", "1023"], "cpus: this process may not use processor 1023"),
        (["--memory_budget_bytes", str(1 << 60)], f"slice.memory_budget_bytes: {1 << 60} bytes are more than"),
        # Without a driver, or with one but fewer GPUs.
        (["--device", "cuda:99"], "slice.device"),
        (["--device", "MIG-00000000-0000-0000-0000-000000000000"], "slice.device"),
    ],
    ids=["cpus", "memory", "gpu", "mig"],
)
def test_refuses_to_start_without_its_slice(tmp_path, flags, says):
    command = [servers.program("reelsight-lightweight"), "--listen_address", "127.0.0.1:0", *flags]
    process = servers.Process([*command, "--metrics_address", "127.0.0.1:0"], tmp_path, "slice")
    assert process.popen.wait(timeout=20) == 1
    assert says in process.log()


def test_wrong_slice_is_a_wrong_configuration(tmp_path):
    flags = ["--device", "gpu", "--check_config"]
    process = servers.Process([servers.program("reelsight-lightweight"), *flags], tmp_path, "slice")
    assert process.popen.wait(timeout=20) == 2
    assert "'gpu' is not cpu, cuda:N or MIG-UUID" in process.log()


def test_embedded_server_offers_the_same_api(folder, three_shots):
    process = servers.start_embedded(folder)
    try:
        request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["cut_analysis"])
        response = servers.connect(process.address).Analyze(request, timeout=30)
        assert len(response.results[0].cut_analysis.transitions) == 2
        assert response.stats.sent_bytes == 0
    finally:
        assert process.stop() == 0
