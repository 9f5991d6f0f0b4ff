# SPDX-License-Identifier: Apache-2.0
"""The whole job: a clip through all analyzers, ours against the recipe (recipe.py) on ONNX Runtime and on OpenVINO.

The recipe on OpenVINO has our engine and our precisions, so what ours wins over it is the share of the design (one
decode, no Python, work side by side), and what it wins over the recipe on ONNX Runtime is that of the engine.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path

import clip
import servers
from service_load import cpu_seconds
from stubs import pb
from turns import ROOT, ratio, show, take_turns, verdict

PEER_PYTHON = ROOT / ".deps/peers/models/bin/python"
# Bounds from the project's goals: the first run may cost half as much again, and loading at this rate.
LEAST_SPEED_UP, MOST_COLD_RATIO, LOAD_BYTES_PER_SECOND = 4.0, 1.5, 500e6
RECIPE = {
    "object_detection", "body_pose", "eye_tracking", "text_overlay", "background_segmentation", "cut_analysis",
    "scene_segmentation", "camera_analysis", "color_analysis",
}  # fmt: skip


class Ours:
    """`reelsight serve`: everything in one process."""

    def __init__(self, folder, roots):
        named = " ".join(f'file_roots: "{root}"' for root in roots)
        extra = f"retention_seconds: 1\nsources {{ {named} }}\n"
        self.process = servers.start_embedded(folder, root=roots[0], extra=extra)
        self.stub = servers.connect(self.process.address)

    def analyzers(self):
        """Name -> what ListAnalyzers says, of those that can run and that the recipe has too."""
        listed = self.stub.ListAnalyzers(pb.ListAnalyzersRequest(), timeout=60).analyzers
        return {one.name: one for one in listed if one.available and one.name in RECIPE}

    def run(self, path, analyzers):
        begin, cpu_begin = time.perf_counter(), cpu_seconds(self.process.pid)
        response = self.stub.Analyze(pb.AnalyzeRequest(uri=str(path), analyzers=analyzers), timeout=1800)
        failed = [result for result in response.results if result.status.code != 0]
        if failed:
            raise RuntimeError("\n".join(f"{one.analyzer}: {one.status.message}" for one in failed))
        return {"total": time.perf_counter() - begin, "cpu_seconds": cpu_seconds(self.process.pid) - cpu_begin}

    def peak_bytes(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmHWM")

    def stop(self):
        self.process.stop()


class Recipe:
    """recipe.py in a process of its own, which stays: its second clip finds all models loaded."""

    def __init__(self, configuration):
        command = [str(PEER_PYTHON), str(ROOT / "tests/bench/recipe.py")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.say(json.dumps(configuration))
        self.peak = 0

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def run(self, path):
        self.say(str(path))
        answer = json.loads(self.process.stdout.readline())
        self.peak = answer["peak_bytes"]
        return answer

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def configuration(backend, listed, installed, half):
    used = {
        model.name: installed[model.name] for one in listed.values() for model in one.models if model.name in installed
    }
    return {
        "backend": backend,
        "half": [name for name, one in used.items() if half and one["model"].get("allowHalfPrecision")],
        "analyzers": {name: one.sample_fps for name, one in sorted(listed.items())},
        "models": {name: {"path": one["path"], "family": one["model"]["family"]} for name, one in used.items()},
    }


def clips(options):
    folder = ROOT / "out/bench"
    folder.mkdir(parents=True, exist_ok=True)
    bikes = ROOT / ".deps/media/bikes.mp4"
    if options.smoke:
        return {"bikes.mp4": bikes}
    return {"bikes.mp4 (640x272, 10 s)": bikes, "720x1280, 10 s": clip.make(folder / "clip_10s.mp4", 10)}


def measure(installed, options):
    paths = clips(options)
    rows = []
    with tempfile.TemporaryDirectory(prefix="reelsight-bench-") as folder:
        ours = Ours(Path(folder), sorted({str(path.parent) for path in paths.values()}))
        contenders = {"ours": ours}
        try:
            listed = ours.analyzers()
            names = sorted(listed)
            print(f"  analyzers: {', '.join(names)}", flush=True)
            for backend in ("onnxruntime", "openvino"):
                contenders[backend] = Recipe(configuration(backend, listed, installed, backend == "openvino"))
            loaded = sum(
                Path(one["path"]).stat().st_size
                for one in configuration("", listed, installed, False)["models"].values()
            )
            measures = {
                name: (lambda path, one=one: one.run(path, names) if one is ours else one.run(path))
                for name, one in contenders.items()
            }
            for at, (label, path) in enumerate(paths.items()):
                # The cold run is the warm-up of all that follow.
                first = {name: run(path) for name, run in measures.items()} if at == 0 else None
                turns = take_turns(
                    {name: (lambda run=run, path=path: run(path)) for name, run in measures.items()},
                    options.runs,
                    warm_up=False,
                )
                rows += job_rows(f"{len(names)} analyzers, {label}", turns)
                if first is not None:
                    rows.append(cold_row(label, first, turns, loaded))
                    print(json.dumps({name: turns[name][-1].get("seconds") for name in turns}), flush=True)
            peaks = {
                name: one.peak_bytes() / 1e6 if one is ours else one.peak / 1e6 for name, one in contenders.items()
            }
            rows.append(
                ("Memory", "largest resident memory of `reelsight serve` after these", show([peaks["ours"]], "MB", 0),
                 "recipe on ONNX Runtime; on OpenVINO",
                 f"{peaks['onnxruntime']:.0f} MB; {peaks['openvino']:.0f} MB",
                 f"{peaks['ours'] / peaks['onnxruntime']:.2f}x the memory", "stated", "")
            )  # fmt: skip
        finally:
            for one in contenders.values():
                one.stop()
    return rows


def job_rows(what, turns):
    clock = {name: [turn["total"] for turn in of] for name, of in turns.items()}
    cpu = {name: [turn["cpu_seconds"] for turn in of] for name, of in turns.items()}
    rows = []
    for backend, peer in {"onnxruntime": "ONNX Runtime, float32", "openvino": "OpenVINO, our precisions"}.items():
        by_clock, by_cpu = ratio(clock, backend, "ours"), ratio(cpu, backend, "ours")
        goal = backend == "onnxruntime"
        outcome = verdict(min(by_clock, by_cpu) >= LEAST_SPEED_UP) if goal else ""
        rows.append(
            ("Whole job, warm", what, show(clock["ours"]), f"recipe on {peer}", show(clock[backend]),
             f"{by_clock:.2f}x the speed; {by_cpu:.2f}x by processor time",
             f">= {LEAST_SPEED_UP:.2f}x" if goal else "stated", outcome)
        )  # fmt: skip
    return rows


def cold_row(label, first, turns, loaded_bytes):
    warm = [turn["total"] for turn in turns["ours"]]
    value = first["ours"]["total"] / sorted(warm)[len(warm) // 2]
    bound = MOST_COLD_RATIO * sorted(warm)[len(warm) // 2] + loaded_bytes / LOAD_BYTES_PER_SECOND
    return (
        "First run", f"{label}, models not loaded ({loaded_bytes / 1e6:.0f} MB)", show([first["ours"]["total"]]),
        "our warm run", show(warm), f"{value:.2f}x the time", f"<= {bound:.2f} s: 1.5x, and loading at 500 MB/s",
        verdict(first["ours"]["total"] <= bound),
    )  # fmt: skip
