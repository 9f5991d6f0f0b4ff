# SPDX-License-Identifier: Apache-2.0
"""Clips made by the ffmpeg program, always the same bytes for the same arguments on one machine."""

import subprocess
from pathlib import Path

from stubs import ROOT

# H.264, 640x272, 25 fps, 250 frames, 10 s, with sound.
BIKES = ROOT / ".deps/media/bikes.mp4"
BIKES_SECONDS = 10.0
BIKES_FRAMES = 250
CARPHONE = ROOT / ".deps/media/carphone_pristine.mp4"


def ffmpeg(*arguments):
    """Runs ffmpeg; raises with its own words if it fails."""
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")


def cuts(path: Path, shots=3, seconds=1.0, size="320x240", rate=25):
    """Shots of one colour each with a moving pattern on it: hard cuts at each multiple of `seconds`."""
    colors = ["darkred", "darkgreen", "navy", "gold", "purple", "teal"]
    inputs = []
    for i in range(shots):
        inputs += ["-f", "lavfi", "-t", seconds, "-i", f"color={colors[i % 6]}:size={size}:rate={rate}"]
    joined = "".join(f"[{i}:v]" for i in range(shots))
    ffmpeg(
        *inputs,
        "-filter_complex",
        f"{joined}concat=n={shots}:v=1:a=0,noise=alls=6:all_seed=1[v]",
        "-map",
        "[v]",
        *("-c:v", "libx264", "-preset", "ultrafast", "-threads", 1, "-pix_fmt", "yuv420p", path),
    )
    return path


def flashes(path: Path, count=5, rate=25):
    """A black picture that is light grey for two frames `count` times, ten frames apart."""
    frames = (count + 1) * 10
    ffmpeg(
        *("-f", "lavfi", "-i", f"color=black:size=128x128:rate={rate}:duration={frames / rate}"),
        *("-vf", "geq=lum='if(gte(N,5)*lt(mod(N-5,10),2),180,16)':cb=128:cr=128"),
        *("-frames:v", count * 10 + 5, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", path),
    )
    return path


def long_clip(path: Path, seconds=60):
    """A clip that takes long enough to be cancelled halfway: ten seconds at 30 fps, again and again."""
    piece = path.with_name(f"{path.stem}_piece.mp4")
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=10"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", piece),
    )
    ffmpeg("-stream_loop", seconds // 10 - 1, "-i", piece, "-c", "copy", path)
    piece.unlink()
    return path
