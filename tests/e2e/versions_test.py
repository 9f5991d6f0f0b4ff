# SPDX-License-Identifier: Apache-2.0
"""Replicas of two versions side by side: one refuses the frame results of the other, and says which versions."""

import re
from concurrent import futures

import grpc
import pytest

import clips
import servers
from stubs import analyzer_rpc, pb

FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION.value[0]
# A version far from today's, in PayloadHeader.version, field 15. Of a field that comes twice the last one counts.
OTHER_VERSION = 100
OTHER_HEADER = bytes([15 << 3, OTHER_VERSION])


class OtherReplica:
    """A replica of another version: the real service behind it, its frame results in a version that nobody knows."""

    def __init__(self, address):
        stub = analyzer_rpc.AnalyzerServiceStub(grpc.insecure_channel(address))

        class Service(analyzer_rpc.AnalyzerServiceServicer):
            def Describe(self, request, context):
                return stub.Describe(request, timeout=10)

            def AnalyzeFrames(self, request, context):
                response = stub.AnalyzeFrames(request, timeout=30)
                for result in response.results:
                    for frame in result.results:
                        frame.payload += OTHER_HEADER
                return response

            def Summarize(self, request, context):
                try:
                    return stub.Summarize(request, timeout=30)
                except grpc.RpcError as error:
                    context.set_trailing_metadata(error.trailing_metadata())
                    context.abort(error.code(), error.details())

        sizes = [("grpc.max_receive_message_length", servers.MAX_MESSAGE)]
        self.server = grpc.server(futures.ThreadPoolExecutor(8), options=sizes)
        analyzer_rpc.add_AnalyzerServiceServicer_to_server(Service(), self.server)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()


@pytest.fixture(scope="module")
def clip(folder):
    return clips.flashes(folder / "versions.mp4", count=3)


def analyze(folder, address, clip):
    """Results by analyzer, of an orchestrator that has one replica."""
    process = servers.start_orchestrator(folder, servers.endpoint("lightweight", address), name="versions")
    try:
        request = pb.AnalyzeRequest(uri=str(clip), analyzers=servers.BUILT_IN)
        return {result.analyzer: result for result in servers.connect(process.address).Analyze(request).results}
    finally:
        process.stop()


def test_frame_results_of_another_version_are_refused_with_both_versions(folder, lightweight, clip):
    other = OtherReplica(lightweight.address)
    try:
        results = analyze(folder, other.address, clip)
    finally:
        other.server.stop(0).wait()
    # The others build on cut_analysis.
    for name in ["color_analysis", "cut_analysis"]:
        status = results[name].status
        assert (status.code, status.reason) == (FAILED_PRECONDITION, "PAYLOAD_VERSION"), status
        assert re.search(
            f"{name}: .*payload version {OTHER_VERSION}, this replica knows version [0-9]+ ", status.message
        )
    for name in ["camera_analysis", "scene_segmentation"]:
        assert results[name].status.reason in ("DEPENDENCY_FAILED", "PAYLOAD_VERSION"), results[name].status


def test_frame_results_of_the_same_version_are_taken(folder, lightweight, clip):
    results = analyze(folder, lightweight.address, clip)
    assert {name: result.status.code for name, result in results.items()} == dict.fromkeys(servers.BUILT_IN, 0)
