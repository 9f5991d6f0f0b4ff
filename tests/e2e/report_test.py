# SPDX-License-Identifier: Apache-2.0
"""report.html in a real browser: it renders, complains of nothing, asks for nothing, and fits a phone."""

import json
import subprocess
import time

import pytest

import clips
import servers
from chromium import Chromium
from stubs import ROOT

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


WINDOWS = {"desktop": (1440, 900, False), "tablet": (820, 1180, True), "phone": (390, 844, True)}


@pytest.fixture(params=WINDOWS)
def page(request, report, browser):
    name = request.param
    width, height, mobile = WINDOWS[name]
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


# What has too little contrast with the colour behind it: below 4.5 to 1.
PALE = """
(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const level = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (color) => 0.2126 * level(color[0]) + 0.7152 * level(color[1]) + 0.0722 * level(color[2]);
  const pale = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.getClientRects().length) continue;
    let fill = [];
    for (let back = element; back; back = back.parentElement) {
      fill = parse(getComputedStyle(back).backgroundColor);
      if (fill.length === 3 || fill[3] > 0.5) break;
    }
    const [low, high] = [light(parse(getComputedStyle(element).color)), light(fill)].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5) pale.push(element.textContent);
  }
  return pale;
})()
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast(report, browser, theme):
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    browser.open(report.as_uri(), *WINDOWS["desktop"])
    browser.screenshot(SHOTS / f"report_{theme}.png", whole_page=True)
    assert browser.evaluate(PALE) == []
    browser.call("Emulation.setEmulatedMedia", features=[])


def test_everything_that_acts_has_a_name(page):
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, [tabindex], [role=slider]')].filter(e => !e.getAttribute('aria-label') "
        "&& !e.getAttribute('aria-labelledby') && !e.textContent.trim()).map(e => e.outerHTML.slice(0, 99))"
    )
    assert nameless == []
    assert page.evaluate("[...document.images].every(i => i.hasAttribute('alt'))")


def press(browser, key):
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)


def test_details_come_by_pointer_touch_and_keyboard(page):
    tip = "document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText"
    middle = page.evaluate(
        "(() => { const e = document.querySelectorAll('#lanes .block.b')[0]; "
        "e.scrollIntoView({block: 'center', behavior: 'instant'}); const b = e.getBoundingClientRect(); const box = "
        "[b.x + b.width / 2, b.y + b.height / 2]; return new Promise(done => setTimeout(() => done(box), 200)); })()"
    )
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=middle[0], y=middle[1])
    assert page.evaluate(tip)
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=2, y=2)
    page.evaluate("document.activeElement.blur(), document.dispatchEvent(new Event('scroll'))")
    assert not page.evaluate(tip)

    def tapped():
        # On a busy machine a tap may last so long that the browser takes it for something else; then once more.
        page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": middle[0], "y": middle[1]}])
        page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        time.sleep(0.3)
        return page.evaluate(tip)

    servers.wait_until(tapped)
    page.evaluate("document.querySelector('#lanes .track .block').focus({focusVisible: true})")
    press(page, "ArrowRight")
    assert page.evaluate("document.activeElement.matches('#lanes .block') && " + tip)
    page.evaluate("document.querySelector('#lanes .tall').focus({focusVisible: true})")
    press(page, "ArrowRight")
    assert "pan" in page.evaluate(tip)
    assert "pan" in page.evaluate("document.activeElement.getAttribute('aria-valuetext')")


def test_every_analyzer_is_there(page):
    text = page.evaluate("document.querySelector('#lanes').innerText").lower()
    for name in servers.BUILT_IN:
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


def make(clip, path, *arguments):
    command = [servers.program("reelsight"), "analyze", clip, "--report", path, *arguments]
    subprocess.run(command, capture_output=True, timeout=60, check=True)


def test_one_frame_has_its_picture(browser, tmp_path):
    clip = tmp_path / "one.mp4"
    clips.ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-frames:v", 1, "-pix_fmt", "yuv420p", clip)
    make(clip, tmp_path / "report.html")
    browser.errors.clear()
    browser.open((tmp_path / "report.html").as_uri(), 800, 600)
    assert browser.errors == []
    assert browser.evaluate("KEY_FRAMES.length") == 1
    text = browser.evaluate("document.body.innerText")
    assert "1 frame\n" in text
    assert "1 frames" not in text
    assert "1 shots" not in text


def test_each_slide_of_a_slide_show_has_its_own_picture(browser, tmp_path):
    """A frame a slide, each shown for two seconds: the frame behind a slide's middle is the next slide."""
    colors = ["red", "lime", "blue", "yellow"]
    inputs = [part for c in colors for part in ("-f", "lavfi", "-t", "0.04", "-i", f"color={c}:size=320x240:rate=25")]
    clips.ffmpeg(
        *inputs, "-filter_complex", "concat=n=4:v=1,setpts=N*2/TB,fps=25:round=down,mpdecimate=max=0",
        "-fps_mode", "vfr", "-c:v", "libx264", "-pix_fmt", "yuv420p", tmp_path / "slides.mp4",
    )  # fmt: skip
    make(tmp_path / "slides.mp4", tmp_path / "report.html", "-a", "cut_analysis")
    browser.open((tmp_path / "report.html").as_uri(), 800, 600)
    assert browser.evaluate("SHOTS.length") >= 3
    assert browser.evaluate(
        "KEY_FRAMES.every(f => f.offset >= SHOTS[f.shot].start - 1e-6 && f.offset < SHOTS[f.shot].end)"
    )
    assert browser.evaluate("new Set(KEY_FRAMES.map(f => f.shot)).size === SHOTS.length")


def test_a_part_of_a_video_says_so(browser, tmp_path):
    make(clips.BIKES, tmp_path / "report.html", "--start", "2", "--end", "4", "-a", "cut_analysis")
    browser.open((tmp_path / "report.html").as_uri(), 800, 600)
    assert "analysed: 0:02.000 to 0:04.000" in browser.evaluate("document.body.innerText")


def with_response(report, path, change):
    """The report again, its data changed by `change`."""
    page = report.read_text()
    begin = page.index('id="report-data">') + len('id="report-data">')
    end = page.index("</script>", begin)
    data = json.loads(page[begin:end])
    change(data["response"])
    path.write_text(page[:begin] + json.dumps(data).replace("<", "\\u003c") + page[end:])
    return path


def test_a_failed_and_a_custom_analyzer(browser, report, tmp_path):
    evil = "<img src=x onerror=console.error('owned')>"

    def change(response):
        failed = next(one for one in response["results"] if one["analyzer"] == "camera_analysis")
        del failed["cameraAnalysis"]
        failed["status"] = {"code": "UNAVAILABLE", "reason": "RETRY_BUDGET_SPENT", "message": "nobody answers"}
        response["results"].append(
            {
                "analyzer": "flash_warning",
                "status": {"code": "OK"},
                "headline": "2 flashes",
                "custom": {"flashes": 2, "note": evil},
            }
        )
        response["timeline"]["scenes"][0]["shots"][0]["entries"].append(
            {"analyzer": "flash_warning", "label": evil, "startOffset": "0.2s", "endOffset": "0.4s"}
        )

    browser.errors.clear()
    browser.open(with_response(report, tmp_path / "report.html", change).as_uri(), *WINDOWS["phone"])
    assert browser.errors == []
    text = browser.evaluate("document.body.innerText")
    assert f"1 of {len(servers.BUILT_IN) + 1} analyzers failed" in text
    assert text.count("nobody answers") == 2, "in its lane and in the table"
    assert "2 flashes" in text
    assert browser.evaluate("document.querySelector('pre').textContent.includes('onerror')")
    assert browser.evaluate("document.querySelectorAll('.block.generic').length") == 1
    assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


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
