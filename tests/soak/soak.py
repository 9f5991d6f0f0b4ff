# SPDX-License-Identifier: Apache-2.0
"""Many different short clips through one server process, whose resident memory must not grow.

Clips differ in codec, size, length, frame rate and content, come as file, content and upload, and one in ten is broken.
Before the count begins, each codec is met at the largest size and by each kind of source, so that buffers have reached
their final size. Two requests run at a time; memory is read when both are done. The same seed gives the same clips.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import clips
import memory
import servers
from stubs import pb

CODECS = {
    "libx264": (".mp4", ["-preset", "ultrafast"]),
    "libx265": (".mp4", ["-preset", "ultrafast", "-x265-params", "log-level=none"]),
    "libvpx-vp9": (".webm", ["-deadline", "realtime", "-cpu-used", "8"]),
    "mpeg4": (".mov", []),
    "mjpeg": (".avi", ["-pix_fmt", "yuvj420p"]),
}
# Growth of the second half that passes. A short run has not seen all sizes twice when its second half begins.
LONG_BOUND, SHORT_BOUND = 0.02, 0.05
SHORT_CLIPS = 100
CHUNK_BYTES = 1 << 20
SOURCES = ["uri", "content", "upload"]
BROKEN_EVERY = 10


def make_clip(folder, number, dice, largest_of=None):
    """Writes one clip, the largest of one codec if that is named; returns its path and a description of it."""
    codec = largest_of or dice.choice(list(CODECS))
    suffix, flags = CODECS[codec]
    width, height = (720, 1280) if largest_of else (2 * dice.randrange(32, 361), 2 * dice.randrange(32, 361))
    seconds = 4.0 if largest_of else round(dice.uniform(0.2, 4.0), 2)
    rate = dice.choice([12, 24, 25, 30, 60])
    kind = dice.choice(["testsrc2", "mandelbrot", "life", "real"])
    path = folder / f"{number}{suffix}"
    if kind == "real":
        start = round(dice.uniform(0, 6), 2)
        source = ["-ss", start, "-i", clips.BIKES, "-an"]
    else:
        extra = f":random_seed={dice.randrange(1 << 30)}" if kind == "life" else ""
        source = ["-f", "lavfi", "-i", f"{kind}=size={width}x{height}:rate={rate}{extra}"]
    hue = f"hue=h={dice.randrange(360)}"
    pixels = [] if codec == "mjpeg" else ["-pix_fmt", "yuv420p"]
    clips.ffmpeg(
        *source, "-t", seconds, "-r", rate, "-vf", f"{hue},scale={width}:{height}", "-c:v", codec, *flags, *pixels, path
    )
    return path, f"{codec} {kind} {width}x{height} {seconds} s {rate} fps"


def damage(path, dice):
    """Cuts the file short or writes noise over a part of it."""
    data = bytearray(path.read_bytes())
    at = dice.randrange(len(data) // 4, len(data) - 1)
    if dice.random() < 0.5:
        del data[at:]
    else:
        data[at : at + 2000] = dice.randbytes(min(2000, len(data) - at))
    path.write_bytes(data)


def upload_messages(data):
    """What UploadVideo takes for `data`, in chunks of 1 MiB."""
    yield pb.UploadVideoRequest(open=pb.UploadVideoRequest.Open())
    for begin in range(0, len(data), CHUNK_BYTES):
        end = begin + CHUNK_BYTES
        chunk = pb.UploadVideoRequest.Chunk(data=data[begin:end], last=end >= len(data))
        yield pb.UploadVideoRequest(chunk=chunk)


def start_request(stub, path, source):
    """Begins to analyse a clip by one of the three kinds of source."""
    request = pb.AnalyzeRequest()
    if source == "uri":
        request.uri = str(path)
    elif source == "content":
        request.content = path.read_bytes()
    else:
        request.upload_id = stub.UploadVideo(upload_messages(path.read_bytes()), timeout=60).upload_id
    return stub.Analyze.future(request, timeout=120)


def run_pair(stub, clips_of_pair):
    """Analyses clips at the same time and deletes them; returns how many broken ones were refused."""
    calls = [start_request(stub, path, source) for path, _, source, _ in clips_of_pair]
    refused = 0
    for call, (path, text, source, broken) in zip(calls, clips_of_pair, strict=True):
        try:
            failed = [result.analyzer for result in call.result().results if result.status.code != 0]
            if failed and not broken:
                raise RuntimeError(f"clip {path.name} ({text}, {source}): {failed} failed: {call.result().results}")
        except grpc.RpcError as error:
            if not broken:
                raise RuntimeError(f"clip {path.name} ({text}, {source}): {error.details()}") from error
            refused += 1
        path.unlink()
    return refused


def warm_up(stub, folder, dice):
    """The largest clip of each codec, each as two kinds of source at once."""
    for i, codec in enumerate(CODECS):
        pair = [
            (*make_clip(folder, f"warm_up_{i}_{j}", dice, largest_of=codec), SOURCES[(i + j) % len(SOURCES)], False)
            for j in range(2)
        ]
        run_pair(stub, pair)


def soak(stub, pid, folder, clip_count, dice):
    """Returns the memory after each pair of clips. Raises if a sound clip fails."""
    samples = []
    refused = 0
    for number in range(0, clip_count, 2):
        pair = []
        for i in (number, number + 1):
            path, text = make_clip(folder, i, dice)
            broken = i % BROKEN_EVERY == BROKEN_EVERY - 1
            if broken:
                damage(path, dice)
            pair.append((path, text, dice.choice(SOURCES), broken))
        refused += run_pair(stub, pair)
        samples.append(memory.resident_bytes(pid))
        if number % 20 == 18:
            print(f"  {number + 2} clips: {samples[-1] / 1e6:.1f} MB", flush=True)
    print(f"  {clip_count // BROKEN_EVERY} clips were broken; {refused} of them were refused")
    return samples


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    bound = SHORT_BOUND if arguments.clips < SHORT_CLIPS else LONG_BOUND
    print(f"soak: {arguments.clips} clips, seed {arguments.seed}", flush=True)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="reelsight-soak-") as name:
        folder = Path(name)
        # Answers are not kept, so that what stays in memory is what should not.
        process = servers.start_embedded(folder)
        try:
            stub, dice = servers.connect(process.address), random.Random(arguments.seed)
            warm_up(stub, folder, dice)
            samples = soak(stub, process.pid, folder, arguments.clips, dice)
        finally:
            process.stop()
    growth = memory.growth(samples)
    print(
        f"soak: memory from {samples[0] / 1e6:.1f} to {samples[-1] / 1e6:.1f} MB; "
        f"second half grew {100 * growth:+.2f}%, bound {100 * bound:.0f}%; {time.monotonic() - begin:.0f} s"
    )
    return 0 if growth < bound else 1


if __name__ == "__main__":
    sys.exit(main())
