# SPDX-License-Identifier: Apache-2.0
"""Texts burnt into clips, by the real program: what is read, when, and where. `scripts/test` pulls the models first."""

import json
import subprocess

import pytest

import clips
import servers

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
OUTLINED = "fontcolor=white:borderw=2"
# One frame a second is looked at.
INTERVAL_SECONDS = 1.0


def drawn(text, size, x, y, start, end, style=OUTLINED):
    """A drawtext filter; the text must need no escapes. Shown from `start` up to `end` seconds."""
    shown = f"between(t\\,{start}\\,{end - 0.001})"
    return f"drawtext=fontfile={FONT}:text='{text}':fontsize={size}:x={x}:y={y}:{style}:enable={shown}"


def burn(path, source, filters, *more):
    encode = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-threads", 1, "-pix_fmt", "yuv420p", *more]
    clips.ffmpeg(*source, "-vf", ",".join(filters), *encode, path)
    return path


def color(name, size, seconds):
    return ["-f", "lavfi", "-i", f"color={name}:size={size}:rate=25:duration={seconds}"]


def texts(models, clip, *flags):
    command = [servers.program("reelsight"), "analyze", clip, "--analyzers", "text_overlay", *flags]
    command += ["--format", "json", "--output", "-"]
    done = subprocess.run([str(part) for part in command], capture_output=True, env=models, timeout=110, check=False)
    assert done.returncode == 0, done.stderr.decode()
    (result,) = [result for result in json.loads(done.stdout)["results"] if result["analyzer"] == "text_overlay"]
    assert result["status"]["code"] == "OK", result["status"]
    return result["textOverlay"].get("events", [])


def seconds(duration):
    return float(duration.rstrip("s"))


def assert_event(events, text, start, end, position):
    """Exactly one event of that text, its times as exact as the sampling interval. Returns it."""
    (event,) = [event for event in events if event["text"] == text]
    assert 0 <= seconds(event.get("startOffset", "0s")) - start < INTERVAL_SECONDS + 0.05, event
    assert -0.05 <= seconds(event["endOffset"]) - end < INTERVAL_SECONDS + 0.05, event
    assert event["position"] == position, event
    return event


def test_texts_burnt_into_bikes_are_read_at_their_times(tmp_path, models):
    # A caption through the cuts at 3.04 s and 5.48 s, and a handle all the time.
    clip = burn(
        tmp_path / "bikes_text.mp4",
        ["-i", clips.BIKES],
        [drawn("RIDE SAFE TODAY", 28, "(w-tw)/2", "h-50", 2, 6), drawn("@reelsight", 18, 12, 10, 0, 11)],
    )
    events = texts(models, clip)
    assert_event(events, "RIDE SAFE TODAY", 2, 6, "CAPTION")
    assert_event(events, "@reelsight", 0, 10, "CORNER")
    assert len(events) == 2


def test_titles_and_lines_of_captions_are_events_of_their_own(tmp_path, models):
    clip = burn(
        tmp_path / "lines.mp4",
        color("slategray", "720x1280", 7),
        [
            drawn("Morning routine", 64, "(w-tw)/2", 220, 0, 3),
            drawn("wake up at 6 am", 44, "(w-tw)/2", 980, 3, 5.4),
            drawn("and drink some water", 44, "(w-tw)/2", 1045, 3, 5.4),
        ],
    )
    events = texts(models, clip)
    title = assert_event(events, "Morning routine", 0, 3, "TITLE")
    above = assert_event(events, "wake up at 6 am", 3, 5.4, "CAPTION")
    below = assert_event(events, "and drink some water", 3, 5.4, "CAPTION")
    assert [title, above, below] == events
    # Around the letters: 220 to 284 of 1280 pixels, in the middle.
    assert title["quad"][0]["y"] == pytest.approx(220 / 1280, abs=0.02)
    assert title["quad"][2]["y"] == pytest.approx(284 / 1280, abs=0.02)
    assert (title["quad"][0]["x"] + title["quad"][2]["x"]) / 2 == pytest.approx(0.5, abs=0.02)


def test_a_moving_text_is_one_event(tmp_path, models):
    # From the right edge to the left one, 160 pixels a second.
    moving = drawn("BREAKING NEWS", 40, "w-160*t", 600, 0, 9, "fontcolor=yellow")
    clip = burn(tmp_path / "moving.mp4", color("navy", "1280x720", 8), [moving])
    events = texts(models, clip)
    assert [event["text"] for event in events] == ["BREAKING NEWS"]
    assert events[0]["position"] == "MOVING"
    assert seconds(events[0]["endOffset"]) == pytest.approx(8, abs=0.1)
    places = [observation["quad"][0]["x"] for observation in events[0]["observations"]]
    assert places == sorted(places, reverse=True)


@pytest.mark.parametrize("clip", ["bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4"])
def test_no_text_is_invented(models, clip):
    assert texts(models, clips.BIKES.with_name(clip)) == []


def test_the_other_engine_reads_too(tmp_path, models):
    # In black on white: 320 pixels wide, since CRAFT takes seconds for a large picture.
    text = drawn("second engine", 32, 40, 100, 0, 3, "fontcolor=black")
    clip = burn(tmp_path / "craft.mp4", color("white", "320x240", 2), [text])
    command = [str(servers.program("reelsight")), "models", "path"]
    if any(
        subprocess.run([*command, name], capture_output=True, env=models, check=False).returncode
        for name in ("craft", "crnn")
    ):
        pytest.skip("CRAFT and CRNN are not installed; get them by: reelsight models pull craft crnn")
    events = texts(models, clip, "--option", "text_overlay.engine=CRAFT_CRNN")
    assert [event["text"] for event in events] == ["second engine"]
