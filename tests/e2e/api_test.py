# SPDX-License-Identifier: Apache-2.0
"""The public API against the real set of programs."""

import threading
import time

import grpc
import pytest
from google.protobuf import json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import clips
import servers
from stubs import pb

SERVICE = "reelsight.v1.VideoAnalysisService"


def seconds(duration):
    return duration.ToNanoseconds() / 1e9


def analyze_bikes(stub, **fields):
    fields.setdefault("analyzers", servers.BUILT_IN)
    return stub.Analyze(pb.AnalyzeRequest(uri=str(clips.BIKES), **fields), timeout=60)


def assert_tiles(spans, start, end):
    """The spans lie one behind the other from `start` to `end`."""
    assert spans
    at = start
    for span in spans:
        assert seconds(span.start_offset) == pytest.approx(at, abs=1e-6)
        at = seconds(span.end_offset)
        assert at > seconds(span.start_offset)
    assert at == pytest.approx(end, abs=1e-6)


def test_analyze_answers_everything(stub):
    response = analyze_bikes(stub)
    video = response.video
    assert (video.width_px, video.height_px, video.codec) == (640, 272, "h264")
    assert seconds(video.duration) == pytest.approx(clips.BIKES_SECONDS, abs=0.05)
    assert video.frame_rate == pytest.approx(25, abs=0.01)
    assert video.frame_count == clips.BIKES_FRAMES
    assert [result.analyzer for result in response.results] == servers.BUILT_IN
    for result in response.results:
        assert result.status.code == 0, result.status
        assert result.WhichOneof("result") == result.analyzer
        assert result.model.name
        assert result.model.version
        assert result.model.device == "cpu"
        assert result.models[0] == result.model
        assert result.headline
        assert result.timing.frame_count > 0
    results = {result.analyzer: result for result in response.results}
    assert results["cut_analysis"].timing.frame_count == clips.BIKES_FRAMES
    shots = results["cut_analysis"].cut_analysis.shots
    length = seconds(video.duration)
    assert_tiles(shots, 0, length)
    assert len(shots) > 2
    assert_tiles(results["scene_segmentation"].scene_segmentation.scenes, 0, length)
    assert_tiles(results["camera_analysis"].camera_analysis.segments, 0, length)
    colors = results["color_analysis"].color_analysis.dominant_colors
    assert 0 < sum(color.share for color in colors) <= 1.0001
    assert response.summary
    assert response.stats.frames_decoded == clips.BIKES_FRAMES
    assert 0 < response.stats.frames_analyzed <= clips.BIKES_FRAMES
    assert response.stats.sent_bytes > 0
    assert response.stats.source_bytes > 0
    assert {stage.name for stage in response.stats.stages} >= {"open", "decode", "convert", "summarize", "merge"}


def test_timeline_tiles_the_video_and_holds_what_each_analyzer_saw(stub):
    response = analyze_bikes(stub)
    length = seconds(response.video.duration)
    scenes = response.timeline.scenes
    assert_tiles(scenes, 0, length)
    for scene in scenes:
        assert_tiles(scene.shots, seconds(scene.start_offset), seconds(scene.end_offset))
        for shot in scene.shots:
            for entry in shot.entries:
                assert seconds(shot.start_offset) - 1e-6 <= seconds(entry.start_offset)
                assert seconds(entry.end_offset) <= seconds(shot.end_offset) + 1e-6
    seen = {entry.analyzer for scene in scenes for shot in scene.shots for entry in shot.entries}
    assert {"camera_analysis", "color_analysis"} <= seen


def test_cuts_are_frame_exact(stub, three_shots):
    request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["cut_analysis"])
    result = stub.Analyze(request, timeout=60).results[0].cut_analysis
    assert [seconds(t.start_offset) for t in result.transitions] == pytest.approx([1, 2])
    assert [seconds(t.end_offset) for t in result.transitions] == pytest.approx([1, 2])


def test_no_analyzers_named_runs_all_by_name(stub, three_shots):
    response = stub.Analyze(pb.AnalyzeRequest(uri=str(three_shots)), timeout=60)
    assert [result.analyzer for result in response.results] == sorted([*servers.BUILT_IN, "flash_warning"])


def test_dependency_runs_but_stays_out_of_the_answer(stub, three_shots):
    response = stub.Analyze(pb.AnalyzeRequest(uri=str(three_shots), analyzers=["scene_segmentation"]), timeout=60)
    assert [result.analyzer for result in response.results] == ["scene_segmentation"]
    assert response.results[0].status.code == 0
    assert sum(len(scene.shot_indexes) for scene in response.results[0].scene_segmentation.scenes) == 3


def test_content_gives_the_same_as_the_file(stub, three_shots):
    by_uri = stub.Analyze(pb.AnalyzeRequest(uri=str(three_shots), analyzers=servers.BUILT_IN), timeout=60)
    by_content = stub.Analyze(
        pb.AnalyzeRequest(content=three_shots.read_bytes(), analyzers=servers.BUILT_IN), timeout=60
    )
    assert comparable(by_uri) == comparable(by_content)


def comparable(response):
    """The part of a response that does not differ from run to run."""
    found = json_format.MessageToDict(response)
    for name in ("requestId", "stats"):
        found.pop(name, None)
    for result in found["results"]:
        result.pop("timing", None)
    return found


def test_file_uri(stub, three_shots):
    response = stub.Analyze(pb.AnalyzeRequest(uri=f"file://{three_shots}", analyzers=["color_analysis"]), timeout=60)
    assert response.results[0].status.code == 0


def test_segments_limit_what_is_analysed(stub):
    request = pb.AnalyzeRequest(uri=str(clips.BIKES), analyzers=["cut_analysis", "color_analysis"])
    segment = request.segments.add()
    segment.start_offset.FromSeconds(2)
    segment.end_offset.FromSeconds(4)
    response = stub.Analyze(request, timeout=60)
    assert_tiles(response.results[0].cut_analysis.shots, 2, 4)
    # Two seconds at 25 fps and at 2 fps.
    assert response.results[0].timing.frame_count == 50
    assert response.results[1].timing.frame_count == pytest.approx(4, abs=1)


def test_sample_fps_overrides_the_profile(stub):
    request = pb.AnalyzeRequest(uri=str(clips.BIKES), analyzers=["color_analysis"])
    request.sample_fps["color_analysis"] = 5
    assert stub.Analyze(request, timeout=60).results[0].timing.frame_count == pytest.approx(50, abs=1)


def test_reference_profile_samples_by_frame_count(stub):
    # 25 fps: colours every max(15, 25 // 2) = 15 frames, cuts every max(5, 25 // 6) = 5.
    response = analyze_bikes(
        stub, analyzers=["color_analysis", "cut_analysis"], sampling_profile=pb.AnalyzeRequest.REFERENCE
    )
    assert [result.timing.frame_count for result in response.results] == [17, 50]


def test_stream_reports_progress_partial_results_and_the_response(stub):
    request = pb.AnalyzeRequest(uri=str(clips.BIKES), analyzers=servers.BUILT_IN)
    events = list(stub.AnalyzeStream(request, timeout=60))
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds[-1] == "response"
    assert kinds.count("response") == 1
    assert kinds.count("video") == 1
    assert "progress" in kinds
    partial = {event.partial_result.analyzer for event in events if event.WhichOneof("event") == "partial_result"}
    assert partial == set(servers.BUILT_IN)
    decoded = [event.progress.frames_decoded for event in events if event.WhichOneof("event") == "progress"]
    assert decoded == sorted(decoded)
    assert [result.analyzer for result in events[-1].response.results] == servers.BUILT_IN


def test_list_analyzers(stub):
    response = stub.ListAnalyzers(pb.ListAnalyzersRequest(), timeout=10)
    analyzers = {analyzer.name: analyzer for analyzer in response.analyzers}
    assert list(analyzers) == sorted([*servers.BUILT_IN, "flash_warning"])
    assert all(analyzer.available for analyzer in analyzers.values())
    assert analyzers["cut_analysis"].sample_fps == 0
    assert analyzers["cut_analysis"].service == "lightweight"
    assert analyzers["cut_analysis"].options_type == "reelsight.v1.CutAnalysisOptions"
    assert list(analyzers["scene_segmentation"].depends_on) == ["cut_analysis"]
    assert analyzers["flash_warning"].result_type == "google.protobuf.Struct"
    assert response.server_version


def test_request_id_makes_a_request_idempotent(stub):
    first = analyze_bikes(stub, request_id="same-id", analyzers=["color_analysis"])
    again = analyze_bikes(stub, request_id="same-id", analyzers=["color_analysis"])
    assert first.request_id == again.request_id == "same-id"
    assert not first.stats.replayed
    assert again.stats.replayed
    assert comparable(first) == comparable(again)


def test_request_id_joins_a_run_under_way(stub, orchestrator, long_clip):
    def decoded():
        return orchestrator.metric("reelsight_frames_decoded_total")

    before = decoded()
    answers = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(
                stub.Analyze(
                    pb.AnalyzeRequest(request_id="joined", uri=str(long_clip), analyzers=["color_analysis"]),
                    timeout=100,
                )
            )
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 2
    assert comparable(answers[0]) == comparable(answers[1])
    assert decoded() - before <= 1800


def test_request_id_with_another_body_is_refused(stub):
    analyze_bikes(stub, request_id="reused", analyzers=["color_analysis"])
    with pytest.raises(grpc.RpcError) as caught:
        analyze_bikes(stub, request_id="reused", analyzers=["cut_analysis"])
    assert caught.value.code() == grpc.StatusCode.ALREADY_EXISTS
    assert servers.error_reason(caught.value)[0] == "REQUEST_ID_REUSED"


def test_deadline_is_kept(stub, long_clip):
    """The server answers just before the caller gives up, and each analyzer that had no time says so."""
    begin = time.monotonic()
    try:
        response = stub.Analyze(pb.AnalyzeRequest(uri=str(long_clip), analyzers=servers.BUILT_IN), timeout=0.5)
        codes = {result.status.code for result in response.results}
    except grpc.RpcError as error:
        codes = {error.code().value[0]}
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED.value[0]}
    assert time.monotonic() - begin < 2


def health(address, service):
    stub = health_pb2_grpc.HealthStub(grpc.insecure_channel(address))
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status


@pytest.mark.parametrize("service", ["", SERVICE])
def test_orchestrator_is_healthy(orchestrator, service):
    assert health(orchestrator.address, service) == health_pb2.HealthCheckResponse.SERVING


def test_health_of_an_unknown_service_is_not_found(orchestrator):
    with pytest.raises(grpc.RpcError) as caught:
        health(orchestrator.address, "no.such.Service")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_lightweight_is_healthy(lightweight):
    service = "reelsight.analyzer.v1.AnalyzerService"
    assert health(lightweight.address, service) == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_the_service(orchestrator):
    stub = reflection_pb2_grpc.ServerReflectionStub(grpc.insecure_channel(orchestrator.address))
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(iter(stub.ServerReflectionInfo(iter([request]), timeout=5)))
    assert SERVICE in {service.name for service in answer.list_services_response.service}


def test_metrics_tell_of_runs(stub, orchestrator, lightweight, three_shots):
    before = orchestrator.metric("reelsight_runs_total", code="OK")
    frames = lightweight.metric("reelsight_frames_analyzed_total", analyzer="cut_analysis")
    stub.Analyze(pb.AnalyzeRequest(uri=str(three_shots), analyzers=["cut_analysis"]), timeout=60)
    assert orchestrator.metric("reelsight_runs_total", code="OK") == before + 1
    assert lightweight.metric("reelsight_frames_analyzed_total", analyzer="cut_analysis") == frames + 75
    assert orchestrator.metric("reelsight_frame_pool_used_bytes") == 0


def test_many_at_once_share(stub, three_shots):
    request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=servers.BUILT_IN)
    calls = [stub.Analyze.future(request, timeout=100) for _ in range(8)]
    first = comparable(calls[0].result())
    assert all(comparable(call.result()) == first for call in calls[1:])
