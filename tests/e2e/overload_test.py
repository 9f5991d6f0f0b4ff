# SPDX-License-Identifier: Apache-2.0
"""Callers who hold connections, calls, promises and services: the others go on, and all comes back."""

import contextlib
import queue
import resource
import signal
import socket
import time
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import servers
from stubs import pb

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
KINDS = ["orchestrator", "lightweight", "detection", "segmentation", "serve"]
# Detection and segmentation have no models in these tests, so that they are not healthy at any time.
HEALTHY_KINDS = ["orchestrator", "lightweight", "serve"]
FULL, ROOM = "not serving: no room for connections", "room for connections again"


@contextlib.contextmanager
def started(kind, folder, lightweight, server_extra=""):
    name = f"{kind}_overloaded"
    if kind == "orchestrator":
        endpoints = servers.endpoint("lightweight", lightweight.address)
        process = servers.start_orchestrator(folder, endpoints, server_extra=server_extra, name=name)
    elif kind == "serve":
        path = Path(folder) / f"{name}.textproto"
        path.write_text(servers.server_text(server_extra))
        command = [servers.program("reelsight"), "serve", "--config", path]
        process = servers.Process(command, folder, name).wait_for_address(servers.json_addresses)
    else:
        process = servers.start_service(f"reelsight-{kind}", servers.server_text(server_extra), folder, name)
    try:
        yield process
    finally:
        assert process.stop() == 0, process.log()[-2000:]


def endpoint_of(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


def descriptors(process):
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def limit_descriptors(process, count):
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (count, resource.prlimit(process.pid, 7)[1]))


def health_stub(address):
    # A channel of its own, so that the answer needs a connection of its own.
    options = [("grpc.use_local_subchannel_pool", 1)]
    return health_pb2_grpc.HealthStub(grpc.insecure_channel(address, options=options))


def health(stub):
    return stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status


def answers(process):
    """A new connection is accepted and a call on it answered."""
    try:
        health(health_stub(process.address))
    except grpc.RpcError:
        return False
    return True


def is_closed(connection, seconds):
    """The server closes the connection within so many seconds, whatever it sends before."""
    end = time.monotonic() + seconds
    with contextlib.suppress(TimeoutError):
        while time.monotonic() < end:
            connection.settimeout(max(0.01, end - time.monotonic()))
            try:
                if not connection.recv(4096):
                    return True
            except ConnectionError:
                return True
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_idle_connections_up_to_the_limit_leave_the_port_open(kind, folder, lightweight):
    with started(kind, folder, lightweight, "handshake_timeout_seconds: 600") as process:
        stub = health_stub(process.address)
        usual = health(stub)
        count = descriptors(process) + 100
        limit_descriptors(process, count)
        # Until the server has seen the limit.
        time.sleep(1.5)
        idle = [socket.create_connection(endpoint_of(process.address), timeout=10) for _ in range(count + 100)]
        servers.wait_until(lambda: health(stub) == NOT_SERVING)
        servers.wait_until(lambda: FULL in process.log())
        # There is room for other things, and one caller too many is sent away instead of kept waiting.
        assert descriptors(process) < count - 20
        late = socket.create_connection(endpoint_of(process.address), timeout=10)
        assert is_closed(late, 10 * servers.SLOWNESS)
        # The metrics port has connections of its own.
        idle += [socket.create_connection(endpoint_of(process.metrics_address), timeout=10) for _ in range(count)]
        servers.wait_until(lambda: process.metric("reelsight_connections") > 10)
        assert process.metric("reelsight_connections_refused_total") >= 100
        for connection in idle:
            connection.close()
        servers.wait_until(lambda: answers(process))
        servers.wait_until(lambda: health(stub) == usual)
        servers.wait_until(lambda: ROOM in process.log())
        assert process.log().count(FULL) == process.log().count(ROOM) == 1


@pytest.mark.parametrize("kind", HEALTHY_KINDS)
def test_descriptors_that_ran_out_otherwise_are_told_and_come_back(kind, folder, lightweight):
    with started(kind, folder, lightweight, "handshake_timeout_seconds: 600") as process:
        stub = health_stub(process.address)
        servers.wait_until(lambda: health(stub) == SERVING)
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0]
        # None is free but for gaps between those in use.
        limit_descriptors(process, descriptors(process))
        servers.wait_until(lambda: health(stub) == NOT_SERVING)
        assert "file descriptors are free" in process.log()
        late = [socket.create_connection(endpoint_of(process.address), timeout=10) for _ in range(40)]
        assert is_closed(late[-1], 10 * servers.SLOWNESS)
        for connection in late:
            connection.close()
        limit_descriptors(process, before)
        servers.wait_until(lambda: answers(process))
        servers.wait_until(lambda: health(stub) == SERVING)
        servers.wait_until(lambda: ROOM in process.log())
        assert process.log().count(FULL) == 1


@pytest.mark.parametrize("kind", ["orchestrator", "serve"])
def test_connections_have_a_cap(kind, folder, lightweight):
    with started(kind, folder, lightweight, "max_connections: 5 handshake_timeout_seconds: 600") as process:
        idle = [socket.create_connection(endpoint_of(process.address), timeout=10) for _ in range(5)]
        servers.wait_until(lambda: not answers(process))
        servers.wait_until(lambda: FULL in process.log())
        idle.pop().close()
        servers.wait_until(lambda: answers(process))
        for connection in idle:
            connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_connections_that_shake_no_hands_are_closed(kind, folder, lightweight):
    with started(kind, folder, lightweight, "handshake_timeout_seconds: 0.5") as process:
        silent = socket.create_connection(endpoint_of(process.address), timeout=10)
        # The beginning of a preface, and a preface without the settings that must follow.
        for preface in (b"PRI * HTTP", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            begun = socket.create_connection(endpoint_of(process.address), timeout=10)
            begun.sendall(preface)
            assert is_closed(begun, 20 * servers.SLOWNESS)
        assert is_closed(silent, 20 * servers.SLOWNESS)
        assert answers(process)


@pytest.mark.parametrize("kind", HEALTHY_KINDS)
def test_the_soft_limit_is_raised_at_the_start(kind, folder, lightweight):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        with started(kind, folder, lightweight) as process:
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_frozen_service_delays_nobody(folder, lightweight, three_shots):
    frozen = servers.start_lightweight(folder, "frozen", extra='analyzers: "camera_analysis"\n')
    keeper = servers.start_lightweight(folder, "keeper_of_lists", extra='analyzers: "color_analysis"\n')
    endpoints = servers.endpoint("frozen", frozen.address) + servers.endpoint("keeper", keeper.address)
    process = servers.start_orchestrator(folder, endpoints, name="with_frozen")
    stub = servers.connect(process.address)

    def list_analyzers():
        begin = time.monotonic()
        answer = stub.ListAnalyzers(pb.ListAnalyzersRequest(), timeout=30)
        return time.monotonic() - begin, {analyzer.name: analyzer for analyzer in answer.analyzers}

    try:
        assert list_analyzers()[1]["camera_analysis"].available
        frozen.popen.send_signal(signal.SIGSTOP)
        for _ in range(2):
            with futures.ThreadPoolExecutor(100) as pool:
                lists = [pool.submit(list_analyzers) for _ in range(100)]
                # The others, at the same time.
                request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["color_analysis"])
                assert stub.Analyze(request, timeout=30).results[0].status.code == 0
                opened = pb.UploadVideoRequest(open=pb.UploadVideoRequest.Open())
                begin = time.monotonic()
                stub.UploadVideo(iter([opened]), timeout=30)
                assert time.monotonic() - begin < 4 * servers.SLOWNESS
                assert health(health_stub(process.address)) == SERVING
                assert max(listed.result()[0] for listed in lists) < 5 * servers.SLOWNESS
            # Now with the service known to be silent.
            servers.wait_until(lambda: not list_analyzers()[1]["camera_analysis"].available)
        listed = list_analyzers()[1]
        assert "service frozen does not answer" in listed["camera_analysis"].unavailable_reason
        assert listed["color_analysis"].available
        frozen.popen.send_signal(signal.SIGCONT)
        servers.wait_until(lambda: list_analyzers()[1]["camera_analysis"].available)
    finally:
        frozen.popen.send_signal(signal.SIGCONT)
        process.stop()
        frozen.stop()
        keeper.stop()


def test_uploads_that_send_nothing_end_and_leave_room_for_other_calls(folder, lightweight, three_shots):
    process = servers.start_orchestrator(
        folder,
        servers.endpoint("lightweight", lightweight.address),
        extra="uploads { idle_timeout_seconds: 6 }\n",
        name="with_idle_uploads",
    )
    stub = servers.connect(process.address)
    opened = pb.UploadVideoRequest(open=pb.UploadVideoRequest.Open(total_bytes=1 << 31))
    quiet = queue.Queue()

    def open_alone():
        yield opened
        quiet.get()

    try:
        calls = [stub.UploadVideo.future(open_alone(), timeout=120) for _ in range(256)]
        in_flight = "reelsight_requests_in_flight"
        servers.wait_until(lambda: process.metric(in_flight, method="UploadVideo") >= 100)
        assert len(stub.ListAnalyzers(pb.ListAnalyzersRequest(), timeout=10).analyzers) == len(servers.BUILT_IN)
        request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["color_analysis"])
        assert stub.Analyze(request, timeout=30).results[0].status.code == 0
        assert [event.WhichOneof("event") for event in stub.AnalyzeStream(request, timeout=30)][-1] == "response"
        reasons = [servers.error_reason(call.exception())[0] for call in calls]
        assert set(reasons) == {"UPLOAD_TOO_SLOW", "SERVER_BUSY"}
        slow = next(call.exception() for call in calls if "slow" in servers.error_reason(call.exception())[0].lower())
        assert slow.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "bytes a second" in slow.details()
        # What was promised takes no room, and the places are free again.
        servers.wait_until(lambda: process.metric(in_flight, method="UploadVideo") == 0)
        data = three_shots.read_bytes()
        chunk = pb.UploadVideoRequest(chunk=pb.UploadVideoRequest.Chunk(data=data, last=True))
        first = pb.UploadVideoRequest(open=pb.UploadVideoRequest.Open(total_bytes=len(data)))
        answer = stub.UploadVideo(iter([first, chunk]), timeout=30)
        assert answer.complete
        request = pb.AnalyzeRequest(upload_id=answer.upload_id, analyzers=["color_analysis"])
        assert stub.Analyze(request, timeout=30).results[0].status.code == 0
    finally:
        for _ in range(256):
            quiet.put(None)
        process.stop()
