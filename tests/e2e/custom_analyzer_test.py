# SPDX-License-Identifier: Apache-2.0
"""docs/examples/custom_analyzer: an analyzer in another language, known to the orchestrator by its address only."""

import grpc
import pytest
from google.protobuf import json_format

import clips
import servers
from stubs import pb


@pytest.fixture(scope="module")
def flashing(folder):
    return clips.flashes(folder / "flashes.mp4", count=5)


def flash_result(stub, path, step=None):
    request = pb.AnalyzeRequest(uri=str(path), analyzers=["flash_warning"])
    if step is not None:
        request.options.custom["flash_warning"].update({"step": step})
    return stub.Analyze(request, timeout=30)


def test_result_travels_as_a_struct(stub, flashing):
    response = flash_result(stub, flashing)
    result = response.results[0]
    assert result.status.code == 0, result.status
    # Five flashes, the first at 0.2 s, 0.4 s apart.
    assert json_format.MessageToDict(result.custom) == {"flashes": 5, "most_in_a_second": 3, "hazard": False}
    assert result.headline == "5 flashes, at most 3 in a second"
    assert result.model.name == "mean luma"
    assert [model.name for model in result.models] == ["mean luma"]
    entries = [entry for scene in response.timeline.scenes for shot in scene.shots for entry in shot.entries]
    assert [entry.start_offset.ToMilliseconds() for entry in entries] == [200, 600, 1000, 1400, 1800]
    assert {entry.analyzer for entry in entries} == {"flash_warning"}


def test_options_travel_as_a_struct(stub, flashing):
    assert flash_result(stub, flashing, step=254).results[0].custom.fields["flashes"].number_value == 0


def test_its_error_is_its_own(stub, flashing):
    status = flash_result(stub, flashing, step=1000).results[0].status
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "options.step" in status.message


def test_it_shares_a_run_with_the_others(stub, flashing):
    request = pb.AnalyzeRequest(uri=str(flashing), analyzers=["color_analysis", "flash_warning"])
    response = stub.Analyze(request, timeout=30)
    assert [result.status.code for result in response.results] == [0, 0]


def test_it_is_listed(stub):
    analyzers = {analyzer.name: analyzer for analyzer in stub.ListAnalyzers(pb.ListAnalyzersRequest()).analyzers}
    assert analyzers["flash_warning"].available
    assert analyzers["flash_warning"].options_type in ("", "google.protobuf.Struct")


def test_it_is_unavailable_when_it_is_gone(folder, lightweight, flashing):
    peer = servers.start_flash_warning(folder)
    endpoints = servers.endpoint("flash_warning", peer.address, extra="max_retries: 1")
    endpoints += servers.endpoint("lightweight", lightweight.address)
    process = servers.start_orchestrator(folder, endpoints, name="flash_gone")
    try:
        stub = servers.connect(process.address)
        assert flash_result(stub, flashing).results[0].status.code == 0
        peer.kill()

        def is_listed_as_gone():
            analyzers = stub.ListAnalyzers(pb.ListAnalyzersRequest(), timeout=10).analyzers
            return [analyzer.available for analyzer in analyzers if analyzer.name == "flash_warning"] == [False]

        servers.wait_until(is_listed_as_gone, seconds=15)
    finally:
        process.stop()
