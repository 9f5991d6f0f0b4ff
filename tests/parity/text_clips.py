# SPDX-License-Identifier: Apache-2.0
"""Holds text_overlay against texts and times that are known, because they are burnt in here.

Each clip shows three to six texts over a real or a generated picture: a title, captions of one or two lines, a handle
in a corner, in several sizes, colours and fonts, outlined or boxed, landscape or portrait, through H.264. The analyzer
must read them with at most 3% of the characters wrong and place their times within one sampling interval. Over clips
without text it must report none.

Needs ffmpeg, the built `reelsight`, installed models (`reelsight models pull`) and Debian's fonts-dejavu-core. No
Python packages. A run is repeatable: all choices come from --seed.
"""

import argparse
import dataclasses
import json
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEDIA = ROOT / ".deps/media"
FONTS = pathlib.Path("/usr/share/fonts/truetype/dejavu")
FACES = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"]
# Sampling interval at one frame a second, and what a frame's length adds.
INTERVAL_SECONDS = 1.05
MAX_ERROR_RATE = 0.03
SECONDS = 9
SIZES = [(720, 1280), (1080, 1920), (1280, 720), (540, 960)]
VOCABULARY = (
    "morning routine coffee before sunrise never skip breakfast wait for the end day recipe mix flour sugar and butter "
    "bake at degrees minutes follow more tips subscribe today only sale percent off new video every week travel diary "
    "paris lisbon tokyo what happened next will surprise you"
)
WORDS = VOCABULARY.split()


@dataclasses.dataclass
class Overlay:
    """One text, where and when."""

    text: str
    start: float
    end: float
    size_px: int
    x: str
    y: str
    face: str
    style: str

    def filter(self) -> str:
        text = self.text.replace("\\", "\\\\\\\\").replace("%", "\\\\%").replace("'", "").replace(":", "\\\\:")
        return (
            f"drawtext=fontfile={FONTS / self.face}:text={text.replace(',', chr(92) + ',')}:fontsize={self.size_px}:"
            f"x={self.x}:y={self.y}:{self.style}:enable=between(t\\,{self.start}\\,{self.end - 0.001})"
        )


STYLES = [
    "fontcolor=white:borderw=3:bordercolor=black",
    "fontcolor=yellow:borderw=2:bordercolor=black",
    "fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=8",
    "fontcolor=black:box=1:boxcolor=white@0.9:boxborderw=8",
]


def phrase(rng: random.Random, count: int) -> str:
    words = rng.sample(WORDS, count)
    if rng.random() < 0.4:
        words.insert(rng.randrange(1, count + 1), str(rng.randrange(2, 100)))
    text = " ".join(words)
    return rng.choice([text, text.capitalize(), text.upper()])


def overlays(rng: random.Random, width: int, height: int) -> list[Overlay]:
    """Texts that do not overlap: a handle that stays, a title, two captions one after the other."""
    unit = min(width, height) / 720
    made = []
    x, y = rng.choice([("w*0.03", "h*0.03"), ("w*0.97-tw", "h*0.03")])
    handle = "@" + "".join(rng.sample(WORDS, 2)) + rng.choice(["", "_7", "42"])
    made.append(Overlay(handle, 0, SECONDS, round(26 * unit), x, y, FACES[0], STYLES[0]))
    title = rng.randrange(0, 3)
    made.append(
        Overlay(phrase(rng, 2), title, title + rng.randrange(2, 5), round(rng.choice([48, 60]) * unit), "(w-tw)/2",
                "h*0.2", rng.choice(FACES), rng.choice(STYLES))
    )  # fmt: skip
    start = rng.randrange(0, 3) + rng.choice([0.0, 0.4])
    for _ in range(2):
        end = min(SECONDS, start + rng.randrange(2, 4))
        face, style = rng.choice(FACES), rng.choice(STYLES)
        lines = rng.randrange(1, 3)
        for line in range(lines):
            size = round(rng.choice([36, 42]) * unit)
            made.append(
                Overlay(phrase(rng, 3), start, end, size, "(w-tw)/2", f"h*0.72+{line * round(70 * unit)}", face, style)
            )
        start = end + rng.choice([0.6, 1.4])
        if start > SECONDS - 2:
            break
    return made


def background(rng: random.Random, width: int, height: int) -> list[str]:
    fill = f"scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height},setsar=1"
    kind = rng.choice(["bikes.mp4", "bigbuckbunny.mp4", "gradients", "color"])
    if kind.endswith(".mp4"):
        return ["-stream_loop", "3", "-t", str(SECONDS), "-i", str(MEDIA / kind)], fill
    colour = rng.choice(["darkslateblue", "darkolivegreen", "gray", "maroon"])
    source = {
        "color": f"color={colour}:size={width}x{height}:rate=25:duration={SECONDS}",
        "gradients": f"gradients=size={width}x{height}:rate=25:duration={SECONDS}:seed={rng.randrange(1000)}",
    }[kind]
    return ["-f", "lavfi", "-i", source], "setsar=1"


def make_clip(path: pathlib.Path, rng: random.Random) -> list[Overlay]:
    width, height = rng.choice(SIZES)
    texts = overlays(rng, width, height)
    source, fill = background(rng, width, height)
    graph = ",".join([fill, *(text.filter() for text in texts)])
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *source, "-an", "-vf", graph]
    command += ["-t", str(SECONDS), "-r", "25", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1"]
    subprocess.run([*command, "-crf", str(rng.choice([18, 23, 28])), "-pix_fmt", "yuv420p", str(path)], check=True)
    return texts


def analyze(clip: pathlib.Path, options: list[str]) -> list[dict]:
    command = [str(ROOT / "build/release/bin/reelsight"), "analyze", str(clip), "--analyzers", "text_overlay"]
    command += ["--format", "json", "--output", "-", *options]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    (result,) = [result for result in json.loads(done.stdout)["results"] if result["analyzer"] == "text_overlay"]
    return result["textOverlay"].get("events", [])


def seconds(duration: str) -> float:
    return float(duration.rstrip("s"))


def edits(a: str, b: str) -> int:
    """Levenshtein's distance."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        row, last = [i], row
        for j, right in enumerate(b, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (left != right)))
    return row[-1]


def compare(texts: list[Overlay], events: list[dict]) -> tuple[int, list[str], list[str]]:
    """Wrong characters, what is wrong with texts and times, and events that are no overlay."""
    wrong, notes, left = 0, [], list(events)
    for text in texts:

        def distance(event, text=text):
            apart = abs(seconds(event.get("startOffset", "0s")) - text.start)
            return edits(event["text"], text.text), apart

        best = min(left, key=distance, default=None)
        if best is None or distance(best)[0] > len(text.text) / 2:
            wrong += len(text.text)
            notes.append(f"missed `{text.text}` at {text.start} s")
            continue
        left.remove(best)
        errors = distance(best)[0]
        wrong += errors
        if errors:
            notes.append(f"`{text.text}` read `{best['text']}`")
        start, end = seconds(best.get("startOffset", "0s")), seconds(best["endOffset"])
        if not -0.01 <= start - text.start <= INTERVAL_SECONDS or not -0.05 <= end - text.end <= INTERVAL_SECONDS:
            notes.append(f"TIMES of `{text.text}`: {text.start}-{text.end} s, found {start}-{end} s")
    return wrong, notes, [event["text"] for event in left]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--keep", type=pathlib.Path, help="folder to leave the clips in")
    parser.add_argument("--option", action="append", default=[], help="passed on to `reelsight analyze`")
    arguments = parser.parse_args()
    options = [part for option in arguments.option for part in ("--option", option)]
    wrong = total = count = off = invented = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or pathlib.Path(temporary)
        for number in range(arguments.clips):
            clip = folder / f"{number}.mp4"
            texts = make_clip(clip, random.Random(arguments.seed * 1000 + number))
            errors, notes, extra = compare(texts, analyze(clip, options))
            wrong, total, count = wrong + errors, total + sum(len(text.text) for text in texts), count + len(texts)
            off += sum(note.startswith("TIMES") for note in notes)
            invented += len(extra)
            for note in [*notes, *(f"not burnt in: `{text}`" for text in extra)]:
                print(f"clip {number}: {note}", flush=True)
    for name in ("bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4"):
        found = [event["text"] for event in analyze(MEDIA / name, options)]
        invented += len(found)
        print(f"{name}, which has no text: {found}")
    rate = wrong / total
    print(f"{arguments.clips} clips, {count} texts, {total} characters: {100 * rate:.2f}% wrong (bound: 3%)")
    print(f"times off by more than the sampling interval: {off} of {count}; events that are no overlay: {invented}")
    return 0 if rate <= MAX_ERROR_RATE and off == 0 and invented == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
