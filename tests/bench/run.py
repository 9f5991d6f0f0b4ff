# SPDX-License-Identifier: Apache-2.0
"""Measures speed and memory against peers in the same run, and writes the table into docs/benchmarks.md.

All contenders of a comparison take turns, so that a busy moment of the machine meets all of them. A figure is the
median of the runs behind one warm-up; the spread stands beside it. What is compared is the ratio.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
os.environ.setdefault("REELSIGHT_BUILD_DIR", str(ROOT / "build/bench"))

import clip  # noqa: E402
import servers  # noqa: E402
from stubs import pb  # noqa: E402
from turns import PAGE, machine, ratio, save, show, table, take_turns, verdict, wall_seconds  # noqa: E402

PEER_PYTHON = ROOT / ".deps/peers/scenedetect/bin/python"
# Bounds from the project's goals.
MOST_DECODE_RATIO, LEAST_SPEED_UP, MOST_MEMORY_OVER_BUDGET_MB = 1.10, 1.30, 200
# Well below the default, so that the bound on memory is a tight one.
FRAME_BUDGET_BYTES = 32_000_000
# Lengths of the clips that memory is measured on, in seconds; the last is about the longest that a server takes.
MEMORY_CLIP_SECONDS = [10, 180, 1790]


def measure_decode(path, threads, runs):
    ours = "file to frames, all four analyzers' conversions"
    peer = f"ffmpeg -threads {threads} -an -sn -vsync passthrough -f null"
    ffmpeg = ["ffmpeg", "-nostdin", "-loglevel", "error", "-threads", threads, "-i", path, "-an", "-sn"]
    figures = take_turns(
        {
            ours: lambda: wall_seconds([servers.program("decode_benchmark"), path, "--threads", threads])[0],
            peer: lambda: wall_seconds([*ffmpeg, "-vsync", "passthrough", "-f", "null", "-"])[0],
        },
        runs,
    )
    value = ratio(figures, ours, peer)
    return [
        ("Decoding and conversion", ours, show(figures[ours]), peer, show(figures[peer]),
         f"{value:.2f}x the time", f"<= {MOST_DECODE_RATIO:.2f}x", verdict(value <= MOST_DECODE_RATIO))
    ]  # fmt: skip


def measure_analyzers(path, threads, runs):
    versions = set()

    def peer_seconds():
        script = ROOT / "tests/bench/peer_scenedetect.py"
        done = subprocess.run([PEER_PYTHON, script, path, str(threads)], capture_output=True, check=True, text=True)
        answer = json.loads(done.stdout)
        versions.add(answer["version"])
        return answer["seconds"]

    ours = "cut, scene, colour and camera from the file (whole process)"
    peer = "PySceneDetect ContentDetector alone (imports not counted)"
    command = [
        servers.program("reelsight"),
        "analyze",
        path,
        "--analyzers",
        ",".join(servers.BUILT_IN),
        "--format",
        "json",
    ]
    figures = take_turns({ours: lambda: wall_seconds(command)[0], peer: peer_seconds}, runs)
    value = 1 / ratio(figures, ours, peer)
    peer_name = peer.replace("PySceneDetect", f"PySceneDetect {versions.pop()}")
    return [
        ("Four analyzers", ours, show(figures[ours]), peer_name, show(figures[peer]),
         f"{value:.2f}x the speed", f">= {LEAST_SPEED_UP:.2f}x", verdict(value >= LEAST_SPEED_UP))
    ]  # fmt: skip


def measure_transport(path, runs):
    """The same run inside one process and over gRPC to a service, by the server's own clock."""
    with tempfile.TemporaryDirectory(prefix="reelsight-bench-") as name:
        folder = Path(name)
        embedded = servers.start_embedded(folder, root=path.parent)
        lightweight = servers.start_lightweight(folder)
        roots = f'sources {{ file_roots: "{path.parent}" }}\n'
        orchestrator = servers.start_orchestrator(
            folder, servers.endpoint("lightweight", lightweight.address), extra=roots
        )
        sent = []

        def elapsed(server):
            stub = servers.connect(server.address)
            response = stub.Analyze(pb.AnalyzeRequest(uri=str(path), analyzers=servers.BUILT_IN), timeout=300)
            if any(result.status.code != 0 for result in response.results):
                raise RuntimeError(response.results)
            sent.append(response.stats.sent_bytes)
            return response.stats.elapsed.ToMilliseconds() / 1e3

        ours, peer = "orchestrator and service, gRPC on one machine", "embedded, no socket"
        try:
            figures = take_turns({ours: lambda: elapsed(orchestrator), peer: lambda: elapsed(embedded)}, runs)
        finally:
            for server in (orchestrator, lightweight, embedded):
                server.stop()
    value = ratio(figures, ours, peer)
    return [
        ("gRPC", f"{ours}, {max(sent) / 1e6:.0f} MB of pictures sent", show(figures[ours]), peer, show(figures[peer]),
         f"{value:.2f}x the time", "stated", "")
    ]  # fmt: skip


def peak_resident_bytes(pid):
    """The largest resident memory that a running process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)[1]) * 1024


def measure_memory(clips, runs):
    """Peak memory of an orchestrator that analyses one clip, by the clip's length; a fresh process for each."""

    def peak_mb(path):
        with tempfile.TemporaryDirectory(prefix="reelsight-bench-") as name:
            folder = Path(name)
            started = []
            try:
                started.append(servers.start_lightweight(folder))
                extra = f'sources {{ file_roots: "{path.parent}" }}\nframe_budget_bytes: {FRAME_BUDGET_BYTES}\n'
                endpoint = servers.endpoint("lightweight", started[0].address)
                started.append(servers.start_orchestrator(folder, endpoint, extra=extra))
                stub = servers.connect(started[1].address)
                response = stub.Analyze(pb.AnalyzeRequest(uri=str(path), analyzers=servers.BUILT_IN), timeout=1800)
                if any(result.status.code != 0 for result in response.results):
                    raise RuntimeError(response.results)
                return peak_resident_bytes(started[1].pid) / 1e6
            finally:
                for server in reversed(started):
                    server.stop()

    shortest = min(clips)
    figures = take_turns(
        {length: lambda path=path: peak_mb(path) for length, path in clips.items()}, runs, warm_up=False
    )
    bound = FRAME_BUDGET_BYTES / 1e6 + MOST_MEMORY_OVER_BUDGET_MB
    rows = []
    for length in sorted(clips):
        if length == shortest:
            continue
        value = ratio(figures, length, shortest)
        met = max(figures[length]) <= bound
        rows.append(
            ("Memory", f"largest resident memory of the orchestrator, clip of {length} s", show(figures[length], "MB"),
             f"clip of {shortest} s", show(figures[shortest], "MB"), f"{value:.2f}x the memory",
             f"<= {bound:.0f} MB: the frame budget and {MOST_MEMORY_OVER_BUDGET_MB} MB", verdict(met))
        )  # fmt: skip
    return rows


def ffmpeg_version():
    first = subprocess.run(["ffmpeg", "-version"], capture_output=True, check=True, text=True).stdout.split("\n")[0]
    return first.split(" Copyright")[0]


def render(rows, runs, threads):
    return (
        f"Machine: {machine()}; {threads} threads for the decoder and its peer. {ffmpeg_version()}. Median of {runs} "
        f"runs that took turns, behind one warm-up; lowest and highest in brackets.\n\n{table(rows)}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each contender behind the warm-up")
    parser.add_argument(
        "--only", choices=["decode", "analyzers", "transport", "memory"], help="one comparison; saves none"
    )
    arguments = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    folder = ROOT / "out/bench"
    folder.mkdir(parents=True, exist_ok=True)
    print("bench: making clips", flush=True)
    main_clip = clip.make(folder / "clip.mp4")
    lengths = {seconds: clip.make(folder / f"clip_{seconds}s.mp4", seconds) for seconds in MEMORY_CLIP_SECONDS}
    parts = {
        "decode": lambda: measure_decode(main_clip, threads, arguments.runs),
        "analyzers": lambda: measure_analyzers(main_clip, threads, arguments.runs),
        "transport": lambda: measure_transport(main_clip, arguments.runs),
        "memory": lambda: measure_memory(lengths, max(1, min(3, arguments.runs))),
    }
    rows = []
    for name, measure in parts.items():
        if arguments.only in (None, name):
            print(f"bench: {name}", flush=True)
            rows += measure()
    text = render(rows, arguments.runs, threads)
    print(f"\n{text}")
    if arguments.only is None:
        save("make bench", text)
        print(f"\nbench: saved to {PAGE.relative_to(ROOT)}")
    return 1 if any("missed" in row[-1] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
