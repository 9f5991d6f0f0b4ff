# SPDX-License-Identifier: Apache-2.0
"""report.html in a real browser: it renders, complains of nothing, asks for nothing, and fits a phone."""

import subprocess

import pytest

import clips
import servers
from chromium import Chromium
from stubs import ROOT

FOUR = ["camera_analysis", "color_analysis", "cut_analysis", "scene_segmentation"]
SHOTS = ROOT / "out/screenshots"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    done = subprocess.run(
        [servers.program("reelsight"), "analyze", clips.BIKES, "--report", path],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return path


@pytest.fixture(scope="module")
def browser():
    browser = Chromium()
    yield browser
    browser.close()


@pytest.fixture(params=[("desktop", 1280, 900, False), ("phone", 390, 844, True)], ids=["desktop", "phone"])
def page(request, report, browser):
    name, width, height, mobile = request.param
    browser.errors.clear()
    browser.requests.clear()
    browser.open(report.as_uri(), width, height, mobile)
    SHOTS.mkdir(parents=True, exist_ok=True)
    browser.screenshot(SHOTS / f"report_{name}.png")
    return browser


def test_no_complaint_in_the_console(page):
    assert page.errors == []


def test_self_contained(page):
    """The page itself and nothing else is loaded."""
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in page.requests if url.startswith("file:")]) == 1


def test_nothing_sticks_out_to_the_side(page):
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_every_analyzer_is_there(page):
    text = page.evaluate("document.body.innerText").lower()
    for name in FOUR:
        assert name in text or name.replace("_", " ") in text


def test_key_frames_are_drawn(page):
    drawn = page.evaluate(
        "[...document.querySelectorAll('img')].every(i => i.complete && i.naturalWidth > 0) && document.images.length"
    )
    assert drawn >= 3


def test_text_is_readable_on_it(page):
    """No text below 10 px."""
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('body *')].filter(e => e.children.length == 0 && "
        "e.textContent.trim() && e.getClientRects().length).map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 10


def test_a_clip_name_cannot_bring_markup(browser, tmp_path, three_shots):
    clip = tmp_path / "<img src=x onerror=console.error('owned')>.mp4"
    clip.write_bytes(three_shots.read_bytes())
    path = tmp_path / "report.html"
    subprocess.run(
        [servers.program("reelsight"), "analyze", clip, "--analyzers", "cut_analysis", "--report", path],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    browser.errors.clear()
    browser.open(path.as_uri(), 800, 600)
    assert browser.errors == []
    assert "onerror" in browser.evaluate("document.body.innerText")
