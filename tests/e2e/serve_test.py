# SPDX-License-Identifier: Apache-2.0
"""`reelsight serve`: the orchestrator's service and the analyzers in one process."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import clips
import servers
from stubs import pb


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    server = servers.start_embedded(folder, root=clips.BIKES.parent)
    yield server
    assert server.stop() == 0


def test_the_analyzers_inside_are_measured_like_those_of_a_service(embedded):
    stub = servers.connect(embedded.address)
    response = stub.Analyze(pb.AnalyzeRequest(uri=str(clips.BIKES), analyzers=["color_analysis"]), timeout=60)
    assert response.results[0].status.code == 0
    assert embedded.metric("reelsight_frames_analyzed_total", analyzer="color_analysis") > 0
    for name in ("queue_duration_seconds", "batch_frames"):
        assert embedded.metric(f"reelsight_{name}_count", service="reelsight") > 0, name
    assert embedded.metric("reelsight_analyze_duration_seconds_count", analyzer="color_analysis") > 0
    assert embedded.metric("reelsight_workers", service="reelsight") > 0
    servers.wait_until(lambda: embedded.metric("reelsight_workers_busy", service="reelsight") == 0)
    assert embedded.metric("reelsight_queue_length", service="reelsight") == 0


def test_it_is_healthy(embedded):
    stub = health_pb2_grpc.HealthStub(grpc.insecure_channel(embedded.address))
    for name in ("", "reelsight.v1.VideoAnalysisService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, name
