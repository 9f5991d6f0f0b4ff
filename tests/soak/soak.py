# SPDX-License-Identifier: Apache-2.0
"""Many different short clips through one server process, whose resident memory must not grow.

Clips differ in codec, size, length, frame rate and content, come as file, content and upload, and one in ten is broken.
Before the count begins, each codec is met at the largest size and by each kind of source, so that buffers have reached
their final size. Two requests run at a time; memory is read when both are done. The same seed gives the same clips.

With --models it is the set of the orchestrator and the services for light analyzers, detection and segmentation, each a
process, with all analyzers whose models are installed. Then no sound clip may lack a result, and no process may grow.
"""

import argparse
import contextlib
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
# With models, on a machine that has other things to do.
TIMEOUT_SECONDS = 600
SOURCES = ["uri", "content", "upload"]
BROKEN_EVERY = 10
SERVICES = ["lightweight", "detection", "segmentation"]
MODEL_ANALYZERS = {"background_segmentation", "body_pose", "eye_tracking", "object_detection", "text_overlay"}


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
        request.upload_id = stub.UploadVideo(upload_messages(path.read_bytes()), timeout=TIMEOUT_SECONDS).upload_id
    return stub.Analyze.future(request, timeout=TIMEOUT_SECONDS)


def run_pair(stub, clips_of_pair, analyzers):
    """Analyses clips at the same time and deletes them; returns how many broken ones were refused.

    Raises if the answer for a sound one lacks one of `analyzers`, or has a failure.
    """
    calls = [start_request(stub, path, source) for path, _, source, _ in clips_of_pair]
    refused = 0
    for call, (path, text, source, broken) in zip(calls, clips_of_pair, strict=True):
        try:
            good = {result.analyzer for result in call.result().results if result.status.code == 0}
            failed = sorted(analyzers - good)
            if failed and not broken:
                raise RuntimeError(f"clip {path.name} ({text}, {source}): {failed} failed: {call.result().results}")
        except grpc.RpcError as error:
            if not broken:
                raise RuntimeError(f"clip {path.name} ({text}, {source}): {error.details()}") from error
            refused += 1
        path.unlink()
    return refused


def warm_up(stub, folder, dice, analyzers):
    """The largest clip of each codec, each as two kinds of source at once."""
    for i, codec in enumerate(CODECS):
        pair = [
            (*make_clip(folder, f"warm_up_{i}_{j}", dice, largest_of=codec), SOURCES[(i + j) % len(SOURCES)], False)
            for j in range(2)
        ]
        run_pair(stub, pair, analyzers)


def soak(stub, pids, folder, clip_count, dice, analyzers):
    """Returns the memory of each process after each pair of clips. Raises if a sound clip fails."""
    samples = {name: [] for name in pids}
    refused = 0
    for number in range(0, clip_count, 2):
        pair = []
        for i in (number, number + 1):
            path, text = make_clip(folder, i, dice)
            broken = i % BROKEN_EVERY == BROKEN_EVERY - 1
            if broken:
                damage(path, dice)
            pair.append((path, text, dice.choice(SOURCES), broken))
        refused += run_pair(stub, pair, analyzers)
        for name, pid in pids.items():
            samples[name].append(memory.resident_bytes(pid))
        if number % 20 == 18:
            sizes = ", ".join(f"{name} {values[-1] / 1e6:.1f} MB" for name, values in samples.items())
            print(f"  {number + 2} clips: {sizes}", flush=True)
    print(f"  {clip_count // BROKEN_EVERY} clips were broken; {refused} of them were refused")
    return samples


def start_set(folder, stack):
    """The orchestrator and its services, each a process, the orchestrator first; `stack` stops them."""
    # Answers are not kept, so that what stays in memory is what should not.
    patience = f"batch_timeout_seconds: {TIMEOUT_SECONDS}"
    services = {}
    for name in SERVICES:
        services[name] = servers.start_service(f"reelsight-{name}", servers.server_text(), folder, name)
        stack.callback(services[name].stop)
    endpoints = "".join(servers.endpoint(name, process.address, extra=patience) for name, process in services.items())
    orchestrator = servers.start_orchestrator(folder, endpoints, extra="retention_seconds: 1\n")
    stack.callback(orchestrator.stop)
    return {"orchestrator": orchestrator, **services}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--models", action="store_true", help="the set of services, with all analyzers")
    arguments = parser.parse_args()
    bound = SHORT_BOUND if arguments.clips < SHORT_CLIPS else LONG_BOUND
    print(f"soak: {arguments.clips} clips, seed {arguments.seed}", flush=True)
    begin = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reelsight-soak-")))
        if arguments.models:
            processes = start_set(folder, stack)
        else:
            processes = {"serve": servers.start_embedded(folder)}
            stack.callback(processes["serve"].stop)
        stub, dice = servers.connect(next(iter(processes.values())).address), random.Random(arguments.seed)
        offered = stub.ListAnalyzers(pb.ListAnalyzersRequest(), timeout=30).analyzers
        analyzers = {analyzer.name for analyzer in offered if analyzer.available}
        print(f"soak: {', '.join(sorted(analyzers))}", flush=True)
        for analyzer in offered:
            if not analyzer.available:
                print(f"soak: left out: {analyzer.name}: {analyzer.unavailable_reason}", flush=True)
        if arguments.models and not analyzers & MODEL_ANALYZERS:
            print("soak: no models are installed; get them by: reelsight models pull --defaults")
            return 1
        warm_up(stub, folder, dice, analyzers)
        pids = {name: process.pid for name, process in processes.items()}
        samples = soak(stub, pids, folder, arguments.clips, dice, analyzers)
    growths = {name: memory.growth(values) for name, values in samples.items()}
    for name, values in samples.items():
        print(
            f"soak: memory of {name} from {values[0] / 1e6:.1f} to {values[-1] / 1e6:.1f} MB; "
            f"second half grew {100 * growths[name]:+.2f}%, bound {100 * bound:.0f}%"
        )
    print(f"soak: {time.monotonic() - begin:.0f} s")
    return 0 if max(growths.values()) < bound else 1


if __name__ == "__main__":
    sys.exit(main())
