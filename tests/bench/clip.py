# SPDX-License-Identifier: Apache-2.0
"""The clip that speed is measured on: 49 s, 720x1280, 30 fps, H.264 of about 4 Mbit/s, scripted from real pieces.

Pieces of three real clips, cropped upright, some mirrored, with hard cuts between most of them and dissolves between
some. The pictures of 25 fps sources are shown at 30 fps, so that no frame stands twice. One thread encodes, so the same
ffmpeg gives the same file.
"""

import subprocess
import sys
from pathlib import Path

MEDIA = Path(__file__).resolve().parents[2] / ".deps/media"
WIDTH, HEIGHT, RATE = 720, 1280, 30
SECONDS = 49

# Clip, first frame, frames, left edge of the crop as a share of the room there is, mirrored.
PIECES = [
    ("bikes", 0, 120, 0.5, False),
    ("bigbuckbunny", 0, 132, 0.2, False),
    ("carphone_pristine", 0, 90, 0.5, False),
    ("bikes", 120, 130, 0.3, False),
    ("bigbuckbunny", 20, 100, 0.8, True),
    ("bikes", 30, 150, 0.9, True),
    ("carphone_pristine", 20, 100, 0.2, True),
    ("bikes", 60, 190, 0.1, False),
    ("bigbuckbunny", 0, 132, 0.5, True),
    ("bikes", 10, 140, 0.7, True),
    ("bikes", 150, 100, 0.0, False),
    ("bigbuckbunny", 40, 92, 0.0, False),
    ("carphone_pristine", 0, 120, 0.8, False),
]
# The piece behind each of these places begins by a dissolve of half a second.
DISSOLVES = {3, 7, 10}
DISSOLVE_SECONDS = 0.5


def filter_graph():
    """The filters that make the clip of the inputs, one input a piece."""
    parts = []
    for i, (_, first, count, left, mirrored) in enumerate(PIECES):
        parts.append(
            f"[{i}:v]trim=start_frame={first}:end_frame={first + count},setpts=N/{RATE}/TB,fps={RATE},"
            f"crop=ih*9/16:ih:(iw-ow)*{left}:0,scale={WIDTH}:{HEIGHT}:flags=bicubic,setsar=1,format=yuv420p"
            f"{',hflip' if mirrored else ''},settb=1/{RATE}[p{i}]"
        )
    # Dissolves bind their two pieces; everything else is joined.
    joined, length = [], 0.0
    at = "p0"
    length = PIECES[0][2] / RATE
    for i in range(1, len(PIECES)):
        if i in DISSOLVES:
            offset = length - DISSOLVE_SECONDS
            parts.append(f"[{at}][p{i}]xfade=transition=fade:duration={DISSOLVE_SECONDS}:offset={offset:.6f}[x{i}]")
            at = f"x{i}"
            length += PIECES[i][2] / RATE - DISSOLVE_SECONDS
        else:
            joined.append(at)
            at = f"p{i}"
            length = PIECES[i][2] / RATE
    joined.append(at)
    parts.append("".join(f"[{name}]" for name in joined) + f"concat=n={len(joined)}:v=1:a=0,fps={RATE}[v]")
    return ";".join(parts)


def make(path, seconds=SECONDS):
    """Writes the first `seconds` of the clip, again from its start if that is longer than it is."""
    base = path.with_name(f"scripted_{SECONDS}s.mp4")
    if not base.exists():
        inputs = [word for name, *_ in PIECES for word in ("-i", str(MEDIA / f"{name}.mp4"))]
        run([
            *inputs, "-filter_complex", filter_graph(), "-map", "[v]", "-t", str(SECONDS), "-c:v", "libx264",
            "-preset", "fast", "-b:v", "4M", "-g", "60", "-threads", "1", "-fflags", "+bitexact", "-flags", "+bitexact",
            "-movflags", "+faststart", str(base),
        ])  # fmt: skip
    if seconds != SECONDS:
        run(["-stream_loop", str(seconds // SECONDS), "-i", str(base), "-t", str(seconds), "-c", "copy", str(path)])
    return base if seconds == SECONDS else path


def run(arguments):
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True, timeout=600)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
