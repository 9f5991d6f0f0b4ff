# SPDX-License-Identifier: Apache-2.0
"""The analyzers with models on real clips, by the real program. `scripts/test` pulls the models first."""

import json
import math
import subprocess
from pathlib import Path

import pytest

import clips
import servers


def analyze(models, clip, *flags, code=0):
    command = [servers.program("reelsight"), "analyze", clip, "--format", "json", "--output", "-", *flags]
    done = subprocess.run([str(part) for part in command], capture_output=True, env=models, timeout=110, check=False)
    assert done.returncode == code, done.stderr.decode()
    return {result["analyzer"]: result for result in json.loads(done.stdout)["results"]}


def seconds(duration):
    return float(duration.rstrip("s"))


def seen_at(tracks, label):
    """Times at which an object of the label was observed."""
    return [
        seconds(observation["offset"])
        for track in tracks
        if track["label"] == label
        for observation in track["observations"]
    ]


@pytest.fixture
def only(models, tmp_path):
    """Makes an environment where of the installed models only those named are there."""
    installed = Path(models.get("REELSIGHT_MODELS") or Path.home() / ".cache/reelsight/models")

    def make(*names):
        for name in names:
            (tmp_path / name).symlink_to(installed / name)
        return {**models, "REELSIGHT_MODELS": str(tmp_path)}

    return make


@pytest.mark.parametrize(
    ("analyzer", "options", "names"),
    [
        ("object_detection", {"model": "nanodet"}, ["nanodet"]),
        ("text_overlay", {"engine": "CRAFT_CRNN"}, ["craft", "crnn"]),
    ],
)
def test_a_named_model_runs_without_the_default(only, analyzer, options, names):
    flags = [f"--option={analyzer}.{field}={value}" for field, value in options.items()]
    command = ["--offline", "--analyzers", analyzer, "--end", "1", *flags]
    result = analyze(only(*names), clips.BIKES, *command)[analyzer]
    assert result["status"]["code"] == "OK"
    assert result["model"]["name"] in names


def test_a_named_model_that_is_not_there_is_told(only):
    flags = ["--offline", "--analyzers", "object_detection", "--option", "object_detection.model=nanodet"]
    status = analyze(only("ssd_mobilenet_v2"), clips.BIKES, *flags, code=3)["object_detection"]["status"]
    assert status["reason"] == "WEIGHTS_MISSING"
    assert "reelsight models pull nanodet" in status["message"]


@pytest.fixture(scope="module")
def bikes(models):
    return analyze(models, clips.BIKES, "--analyzers", "object_detection,body_pose")


# Shots of bikes.mp4 that show them, as a person sees it: a street full of cars, a man between them, a cyclist beside a
# van, cars again, a parked bicycle.
@pytest.mark.parametrize(
    ("label", "start", "end"),
    [("car", 1.2, 3.04), ("person", 1.2, 3.04), ("person", 4.2, 5.48), ("bicycle", 4.6, 5.48), ("car", 5.48, 7.48),
     ("bicycle", 7.48, 9.68)],
)  # fmt: skip
def test_objects_of_bikes_are_named_at_their_times(bikes, label, start, end):
    result = bikes["object_detection"]
    assert result["status"]["code"] == "OK", result["status"]
    inside = [time for time in seen_at(result["objectDetection"]["tracks"], label) if start <= time < end]
    assert len(inside) >= 2, f"{label} in [{start}, {end}): {inside}"


def test_objects_of_bikes_stay_in_their_shots(bikes):
    times = seen_at(bikes["object_detection"]["objectDetection"]["tracks"], "bicycle")
    assert not [time for time in times if time < 4.0 or 5.48 <= time < 7.4], times
    cuts = [1.2, 3.04, 5.48, 7.48, 9.68]
    for track in bikes["object_detection"]["objectDetection"]["tracks"]:
        first, last = seconds(track["firstOffset"]), seconds(track["lastOffset"])
        assert not [cut for cut in cuts if first < cut <= last], track["trackId"]


def test_the_cyclist_has_a_pose(bikes):
    result = bikes["body_pose"]
    assert result["status"]["code"] == "OK", result["status"]
    observations = [
        observation
        for track in result["bodyPose"]["tracks"]
        for observation in track["observations"]
        if 4.6 <= seconds(observation["offset"]) < 5.4
    ]
    assert len(observations) >= 3
    for observation in observations:
        joints = {joint["name"]: joint for joint in observation["keypoints"]}
        assert len(joints) == 17
        # Upright, right of the middle.
        assert joints["nose"]["y"] < joints["left_hip"]["y"]
        assert 0.5 < joints["nose"]["x"] < 0.85


def test_one_face_is_followed_through_the_clip(models):
    result = analyze(models, clips.CARPHONE, "--analyzers", "eye_tracking")["eye_tracking"]
    assert result["status"]["code"] == "OK", result["status"]
    (face,) = result["eyeTracking"]["faces"]
    assert len(face["observations"]) == 12
    assert 0 < face["lookingAtCameraShare"] <= 1
    assert not result["eyeTracking"].get("blinksMeasured")


def test_blinks_are_found_where_they_are_asked_for(models):
    flags = ["--fps", "eye_tracking=30", "--option", "eye_tracking.blinks=true", "--start", "2.8", "--end", "3.4"]
    result = analyze(models, clips.CARPHONE, "--analyzers", "eye_tracking", *flags)["eye_tracking"]
    assert result["status"]["code"] == "OK", result["status"]
    assert result["eyeTracking"]["blinksMeasured"]
    # The eyes are shut in frame 92 of 30 a second.
    starts = [seconds(blink["startOffset"]) for blink in result["eyeTracking"]["blinks"]]
    assert starts == pytest.approx([3.07], abs=0.05)


# Places of the cyclist's joints at 4.96 s, marked by hand in the frame of 640 x 272.
CYCLIST = {
    "nose": (436, 41), "right_eye": (428, 33), "left_eye": (437, 33), "right_ear": (416, 37),
    "right_shoulder": (400, 58), "left_shoulder": (456, 57), "right_elbow": (386, 102), "left_elbow": (472, 98),
    "right_wrist": (357, 107), "left_wrist": (477, 132), "right_hip": (415, 135), "left_hip": (452, 132),
    "right_knee": (425, 184), "left_knee": (480, 160), "right_ankle": (421, 258), "left_ankle": (458, 224),
}  # fmt: skip
CYCLIST_SIZE_PX = (142 * 267) ** 0.5


def test_the_cyclists_joints_are_where_they_are(bikes):
    observations = [
        observation for track in bikes["body_pose"]["bodyPose"]["tracks"] for observation in track["observations"]
    ]
    nearest = min(observations, key=lambda observation: abs(seconds(observation["offset"]) - 4.96))
    joints = {joint["name"]: joint for joint in nearest["keypoints"]}
    distances = {
        name: math.hypot(joints[name]["x"] * 640 - x, joints[name]["y"] * 272 - y) / CYCLIST_SIZE_PX
        for name, (x, y) in CYCLIST.items()
    }
    assert max(distances.values()) < 0.12, distances
    assert sum(distances.values()) / len(distances) < 0.06, distances


def test_an_analyzer_without_weights_says_the_command_and_the_others_go_on(tmp_path, models):
    empty = {**models, "REELSIGHT_MODELS": str(tmp_path), "REELSIGHT_OFFLINE": "1"}
    results = analyze(empty, clips.BIKES, "--analyzers", "object_detection,color_analysis", code=3)
    assert results["color_analysis"]["status"]["code"] == "OK"
    status = results["object_detection"]["status"]
    assert status["code"] == "FAILED_PRECONDITION"
    assert "reelsight models pull ssd_mobilenet_v2" in status["message"]


def test_an_unknown_model_is_named(models):
    results = analyze(
        models, clips.BIKES, "--analyzers", "object_detection", "--option", "object_detection.model=nonsense", code=3
    )
    status = results["object_detection"]["status"]
    assert status["code"] == "INVALID_ARGUMENT"
    assert "nonsense" in status["message"]
