# SPDX-License-Identifier: Apache-2.0
"""The command line as a user or a script meets it: output, exit codes, help."""

import json
import os
import signal
import subprocess
import time

import pytest
from google.protobuf import json_format, text_format

import clips
import servers
from stubs import pb

FOUR = ["camera_analysis", "color_analysis", "cut_analysis", "scene_segmentation"]
GOOD, VIDEO_FAILED, USAGE, ANALYZERS_FAILED = 0, 1, 2, 3


def reelsight(*arguments, **options):
    options.setdefault("timeout", 90)
    command = [str(servers.program("reelsight")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, **options)


def response_of(stdout):
    return json_format.Parse(stdout, pb.AnalyzeResponse())


def comparable(stdout):
    found = json.loads(stdout)
    for name in ("requestId", "stats"):
        found.pop(name, None)
    for result in found["results"]:
        result.pop("timing", None)
    return found


def test_json_and_nothing_else_on_stdout():
    names = "cut_analysis,camera_analysis,color_analysis,scene_segmentation"
    done = reelsight("analyze", clips.BIKES, "--analyzers", names, "--format", "json", "--output", "-")
    assert done.returncode == GOOD, done.stderr
    response = response_of(done.stdout)
    assert [result.analyzer for result in response.results] == names.split(",")
    assert all(result.status.code == 0 for result in response.results)
    assert response.stats.sent_bytes == 0
    # The spelling of proto3 JSON.
    assert json.loads(done.stdout)["results"][0]["cutAnalysis"]["transitions"]


def test_server_gives_the_same_as_embedded(orchestrator, three_shots):
    command = ["analyze", three_shots, "--analyzers", ",".join(FOUR), "--format", "json", "--output", "-"]
    embedded = reelsight(*command)
    served = reelsight(*command, "--server", orchestrator.address)
    assert (embedded.returncode, served.returncode) == (GOOD, GOOD), served.stderr
    assert comparable(embedded.stdout) == comparable(served.stdout)


def test_text_is_for_a_person():
    done = reelsight("analyze", clips.BIKES)
    assert done.returncode == GOOD, done.stderr
    assert "bikes.mp4" in done.stdout
    assert "cut_analysis" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr, "no colours and no progress bar where there is no terminal"


def test_textproto(three_shots):
    done = reelsight("analyze", three_shots, "--analyzers", "cut_analysis", "--format", "textproto")
    response = text_format.Parse(done.stdout, pb.AnalyzeResponse())
    assert len(response.results[0].cut_analysis.transitions) == 2


def test_output_and_report(tmp_path, three_shots):
    out, report = tmp_path / "a" / "result.json", tmp_path / "b" / "report.html"
    out.parent.mkdir()
    report.parent.mkdir()
    done = reelsight("analyze", three_shots, "--format", "json", "--output", out, "--report", report)
    assert done.returncode == GOOD, done.stderr
    assert len(response_of(out.read_text()).results) == 4
    assert report.read_text().lower().startswith("<!doctype html>")


def test_segment_and_fps(three_shots):
    done = reelsight(
        *("analyze", three_shots, "--analyzers", "color_analysis", "--fps", "color_analysis=5"),
        *("--start", "1", "--end", "2", "--format", "json"),
    )
    assert done.returncode == GOOD, done.stderr
    assert response_of(done.stdout).results[0].timing.frame_count == 5


def test_several_inputs(three_shots):
    done = reelsight("analyze", three_shots, clips.BIKES, "--analyzers", "color_analysis")
    assert done.returncode == GOOD, done.stderr
    assert "three_shots.mp4" in done.stdout
    assert "bikes.mp4" in done.stdout


def test_a_failed_video_is_exit_code_1_and_the_others_are_done(three_shots, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    done = reelsight("analyze", broken, three_shots, "--analyzers", "color_analysis")
    assert done.returncode == VIDEO_FAILED
    assert "broken.mp4" in done.stderr
    assert "three_shots.mp4" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze"],
        ["analyze", "x.mp4", "--no-such-flag"],
        ["analyze", "x.mp4", "--format", "xml"],
        ["analyze", "x.mp4", "--fps", "color_analysis"],
        ["analyze", "x.mp4", "--start", "5", "--end", "2"],
        ["no-such-command"],
        [],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments):
    done = reelsight(*arguments)
    assert done.returncode == USAGE
    assert done.stderr


def test_some_analyzers_failed_is_exit_code_3(folder, lightweight, three_shots):
    endpoints = servers.endpoint("lightweight", lightweight.address)
    peer = servers.start_lightweight(folder, "vanishing", extra='analyzers: "color_analysis"\n')
    keeper = servers.start_lightweight(folder, "staying", extra='analyzers: "cut_analysis"\n')
    endpoints = servers.endpoint("vanishing", peer.address, extra="max_retries: 1")
    endpoints += servers.endpoint("staying", keeper.address)
    process = servers.start_orchestrator(folder, endpoints, name="exit_code_3")
    try:
        peer.kill()
        done = reelsight(
            "analyze", three_shots, "--analyzers", "color_analysis,cut_analysis", "--server", process.address
        )
        assert done.returncode == ANALYZERS_FAILED, done.stdout + done.stderr
        assert "color_analysis" in done.stdout + done.stderr
    finally:
        process.stop()
        keeper.stop()


def test_no_server_there(three_shots):
    done = reelsight("analyze", three_shots, "--server", f"127.0.0.1:{servers.free_port()}", timeout=60)
    assert done.returncode == VIDEO_FAILED
    assert done.stderr


def test_interrupt_ends_it_cleanly(long_clip, tmp_path):
    out = tmp_path / "result.json"
    command = [servers.program("reelsight"), "analyze", long_clip, "--format", "json", "--output", out]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.7)
    assert process.poll() is None, "the clip was too short for this test"
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert time.monotonic() - begin < 2 * servers.SLOWNESS
    assert process.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT)
    assert not out.exists(), "no half-written result"
    assert b"terminate called" not in stderr


@pytest.mark.parametrize("command", [[], ["analyze"], ["bench"], ["serve"], ["doctor"]])
def test_help(command):
    done = reelsight(*command, "--help")
    assert done.returncode == GOOD
    assert "--help" in done.stdout
    if command == ["analyze"]:
        assert "reelsight analyze" in done.stdout, "examples"


def test_version():
    done = reelsight("--version")
    assert done.returncode == GOOD
    assert done.stdout.strip()


def test_doctor():
    done = reelsight("doctor", env={**os.environ, "TERM": "dumb"})
    assert done.returncode == GOOD, done.stdout + done.stderr


def test_bench(three_shots):
    done = reelsight("bench", three_shots)
    assert done.returncode == GOOD, done.stderr
    assert "decode" in done.stdout
