# SPDX-License-Identifier: Apache-2.0
"""The main job, as `scripts/demo` runs it: all analyzers with their default models on a clip with texts burnt in, and
the report in a real browser, with what they saw drawn over its pictures."""

import json
import subprocess
from types import SimpleNamespace

import pytest

import clips
import servers
from chromium import Chromium
from stubs import ROOT
from text_overlay_test import assert_event, burn, drawn, seconds

NAMES = [
    *["cut_analysis", "scene_segmentation", "camera_analysis", "color_analysis"],
    *["object_detection", "body_pose", "eye_tracking", "text_overlay", "background_segmentation"],
]
WITH_MODELS = NAMES[4:]
# The first test waits for the whole analysis, models loaded anew.
pytestmark = pytest.mark.timeout(240)
SHOTS = ROOT / "out/screenshots"


def reelsight(models, *arguments):
    command = [str(part) for part in (servers.program("reelsight"), *arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=models, timeout=180, check=False)


def analyze(models, clip, report, *flags):
    """The response as JSON, and the report's path."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    done = reelsight(
        models, "analyze", clip, "--offline", "--format", "json", "--output", "-", "--report", report, *flags
    )
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(response=json.loads(done.stdout), report=report)


@pytest.fixture(scope="module")
def installed(models):
    """The environment of a program that finds all default models."""
    listed = reelsight(models, "models", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    defaults = [one for one in json.loads(listed.stdout) if one["model"]["defaultForTask"]]
    missing = [one["model"]["name"] for one in defaults if not one["installed"]]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; get them by: reelsight models pull --defaults")
    return models


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The texts of `scripts/demo`: a caption through the cuts at 3.04 s and 5.48 s, and a handle all the time.

    The caption stands left: over the bicycle it would hide that from the detector."""
    texts = [drawn("RIDE SAFE TODAY", 28, 24, "h-50", 2, 6), drawn("@reelsight", 18, 12, 10, 0, 11)]
    return burn(tmp_path_factory.mktemp("whole") / "bikes_text.mp4", ["-i", clips.BIKES], texts, "-crf", 18)


@pytest.fixture(scope="module")
def bikes(installed, clip, tmp_path_factory):
    return analyze(installed, clip, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def browser():
    browser = Chromium()
    yield browser
    browser.close()


@pytest.fixture
def page(browser, bikes):
    browser.errors.clear()
    browser.open(bikes.report.as_uri(), 1440, 900)
    assert browser.errors == []
    return browser


def drawn_counts(browser, *selectors):
    """How many of each are on the page, over its key frames."""
    return {one: browser.evaluate(f"document.querySelectorAll('.overlay {one}').length") for one in selectors}


def typed(response, field):
    return next(result[field] for result in response["results"] if field in result)


def test_all_analyzers_are_ok_and_say_their_models(bikes):
    results = {result["analyzer"]: result for result in bikes.response["results"]}
    assert sorted(results) == sorted(NAMES)
    assert {name: result["status"] for name, result in results.items() if result["status"]["code"] != "OK"} == {}
    for name in WITH_MODELS:
        assert results[name]["model"]["name"], name
        assert results[name]["model"]["version"], name
        assert results[name]["models"][0] == results[name]["model"], name
    assert {name: len(results[name]["models"]) for name in ("eye_tracking", "text_overlay")} == {
        "eye_tracking": 4,
        "text_overlay": 3,
    }
    assert int(bikes.response["stats"]["cacheHits"]) > 0


# As a person sees it: a street full of cars, a man between them, a cyclist beside a van, cars, a parked bicycle.
@pytest.mark.parametrize(
    ("label", "start", "end"),
    [("car", 1.2, 3.04), ("person", 4.2, 5.48), ("bicycle", 4.6, 5.48), ("bicycle", 7.48, 9.68)],
)
def test_json_names_objects_at_their_times(bikes, label, start, end):
    times = [
        seconds(observation["offset"])
        for track in typed(bikes.response, "objectDetection")["tracks"]
        if track["label"] == label
        for observation in track["observations"]
    ]
    assert [time for time in times if start <= time < end], times


def test_json_names_the_texts_at_their_times(bikes):
    events = typed(bikes.response, "textOverlay")["events"]
    assert_event(events, "RIDE SAFE TODAY", 2, 6, "CORNER")
    assert_event(events, "@reelsight", 0, 10, "CORNER")


def test_masks_go_into_the_report_only(bikes):
    frames = typed(bikes.response, "backgroundSegmentation")["frames"]
    assert frames
    assert not [frame for frame in frames if frame.get("mask")]


def test_what_was_seen_is_drawn_on_the_key_frames(page):
    counts = drawn_counts(page, "rect.object", ".limb", "rect.matte", "polygon.text")
    assert min(counts.values()) > 0, counts
    tags = page.evaluate("[...document.querySelectorAll('.overlay text.tag')].map(e => e.textContent)")
    assert {"RIDE SAFE TODAY", "@reelsight"} <= set(tags)
    page.screenshot(SHOTS / "report_overlays.png", whole_page=True)


def test_tracks_and_texts_are_on_the_axis_of_time(page):
    blocks = page.evaluate("""
      Object.fromEntries([...document.querySelectorAll("#lanes .lane")].map(lane => [
        (lane.querySelector(".lane-label b") || {}).textContent,
        [...lane.querySelectorAll(".block")].map(block => block.getAttribute("aria-label")),
      ]))
    """)
    for name in ("object_detection", "body_pose", "background_segmentation"):
        assert blocks[name], name
    assert [label for label in blocks["object_detection"] if label.startswith("bicycle")]
    assert [label for label in blocks["text_overlay"] if "RIDE SAFE TODAY" in label]


def test_the_report_says_models_versions_and_cache_hits(page, bikes):
    table = page.evaluate("document.querySelector('#analyzers').innerText")
    for result in bikes.response["results"]:
        if result["analyzer"] in WITH_MODELS:
            for model in result["models"]:
                assert f"{model['name']} {model['version']} on {model['device']}" in table
    hits = page.evaluate("document.querySelector('#run-facts').innerText")
    assert f"{bikes.response['stats']['cacheHits']} hits" in hits.replace(",", "")
    assert f"all {len(NAMES)} analyzers OK" in page.evaluate("document.querySelector('#facts').innerText")


# Grey levels of the mask that the screen shows: in the picture's middle, and in its upper left corner.
MATTE_LEVELS = """
(async () => {
  const image = new Image();
  image.src = document.querySelector("#screen .overlay mask image").getAttribute("href");
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const level = (x, y) => context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data[0];
  return [level(0.5, 0.6), level(0.05, 0.05)];
})()
"""


def test_a_man_who_speaks_has_gazes_and_a_matte_where_he_is(browser, installed, tmp_path):
    analyzers = "cut_analysis,eye_tracking,background_segmentation"
    analyze(installed, clips.CARPHONE, tmp_path / "report.html", "-a", analyzers)
    browser.open((tmp_path / "report.html").as_uri(), 1440, 900)
    counts = drawn_counts(browser, "rect.face", ".gaze", ".iris", "rect.matte")
    assert min(counts.values()) > 0, counts
    browser.screenshot(SHOTS / "report_matte.png")
    man, window = browser.evaluate(MATTE_LEVELS)
    assert man > 128 > window


def test_run_lengths_are_drawn_and_stay_in_the_json(browser, installed, tmp_path):
    flags = ["-a", "cut_analysis,background_segmentation", "--start", "4", "--end", "6"]
    flags += ["--option", "background_segmentation.mask_format=RLE"]
    done = analyze(installed, clips.BIKES, tmp_path / "report.html", *flags)
    frames = typed(done.response, "backgroundSegmentation")["frames"]
    assert all(frame["mask"]["rle"]["lengths"] for frame in frames)
    browser.errors.clear()
    browser.open((tmp_path / "report.html").as_uri(), 1440, 900)
    assert browser.errors == []
    assert drawn_counts(browser, "path.matte")["path.matte"] > 0
    # The path fills as many pixels as the run lengths say.
    filled = browser.evaluate("""
      MATTE.frames.map(({mask}) => {
        const path = run_path(mask.rle.lengths, mask.widthPx);
        return [...path.matchAll(/h(\\d+)v/g)].reduce((sum, run) => sum + Number(run[1]), 0);
      })
    """)
    assert filled == [sum(frame["mask"]["rle"]["lengths"][1::2]) for frame in frames]


def test_a_report_without_masks_says_why(browser, installed, tmp_path):
    flags = ["-a", "cut_analysis,background_segmentation", "--option", "background_segmentation.mask_format=NONE"]
    analyze(installed, clips.BIKES, tmp_path / "report.html", *flags)
    browser.open((tmp_path / "report.html").as_uri(), 1440, 900)
    assert drawn_counts(browser, ".matte")[".matte"] == 0
    assert "none were asked for" in browser.evaluate("document.querySelector('#analyzers').innerText")
