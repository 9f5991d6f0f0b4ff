# SPDX-License-Identifier: Apache-2.0
"""Measures models against peers in the same run, and writes the table into docs/benchmarks.md.

Needs the weights of `reelsight models pull --defaults`; a model that is not installed is left out, and said so. As in
run.py, contenders take turns, and what is compared is the ratio.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
os.environ.setdefault("REELSIGHT_BUILD_DIR", str(ROOT / "build/bench"))

import job  # noqa: E402
import precision_table  # noqa: E402
import servers  # noqa: E402
import service_load  # noqa: E402
from turns import PAGE, machine, ratio, save, show, table, take_turns, verdict  # noqa: E402

PEERS = ROOT / ".deps/peers/models/bin"
# Bounds from the project's goals.
MOST_ENGINE_RATIO, LEAST_SERVICE_SHARE = 1.10, 0.85
# Models that engines are compared on: a detector, a keypoint model, and two of text and cuts whose size differs.
ENGINE_MODELS = ["ssd_mobilenet_v2", "nanodet", "movenet_multipose", "transnetv2"]
SERVICE_MODELS = {"object_detection": "ssd_mobilenet_v2", "body_pose": "movenet_multipose"}


def installed_models():
    """Name -> path and catalogue entry of the models that are installed."""
    done = subprocess.run(
        [servers.program("reelsight"), "models", "list", "--json"], capture_output=True, check=True, text=True
    )
    models = json.loads(done.stdout)
    return {model["model"]["name"]: model for model in models if model["installed"]}


def left_out(name):
    print(f"  {name} is left out: not installed; run: reelsight models pull {name}", flush=True)


def engine_figures(path, streams, precision, seconds, cpus=None):
    """Our engine on one model file, each stream a thread: runs a second and the median of a run in ms."""
    command = [servers.program("engine_benchmark"), path, "--streams", streams, "--seconds", seconds]
    pin = ["taskset", "-c", cpus] if cpus else []
    command = [str(part) for part in [*pin, *command, "--precision", precision]]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr}")
    return json.loads(done.stdout)


def input_shapes(path):
    """The inputs of an ONNX file, an open batch set to 1, as benchmark_app takes them; None: another side is open."""
    code = (
        "import openvino, json, sys\n"
        "model = openvino.Core().read_model(sys.argv[1])\n"
        "print(json.dumps([[min(port.get_names()), [d.get_length() if d.is_static else -1 for d in "
        "port.get_partial_shape()]] for port in model.inputs]))"
    )
    done = subprocess.run([PEERS / "python", "-c", code, path], capture_output=True, check=True, text=True)
    shapes = [(name, [1, *shape[1:]] if shape[0] < 0 else shape) for name, shape in json.loads(done.stdout)]
    if any(side < 0 for _, shape in shapes for side in shape):
        return None
    return ",".join(f"{name}[{','.join(map(str, shape))}]" for name, shape in shapes)


def peer_figures(path, shapes, streams, precision, seconds):
    """OpenVINO's benchmark_app on the same file: one request in the caller's thread, or one for each stream."""
    with tempfile.TemporaryDirectory(prefix="reelsight-bench-") as folder:
        mode = ["-api", "sync"] if streams == 1 else ["-api", "async", "-nireq", streams]
        command = [
            PEERS / "benchmark_app",
            "-m",
            path,
            "-d",
            "CPU",
            "-hint",
            "none",
            *mode,
            "-t",
            max(1, round(seconds)),
        ]
        command += ["-nstreams", streams, "-nthreads", streams, "-infer_precision", precision, "-pin", "NO"]
        command += ["-shape", shapes, "-report_type", "no_counters", "-report_folder", folder, "-json_stats"]
        done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
        report = json.loads(next(Path(folder).glob("*.json")).read_text())
    results = report["execution_results"]
    return {"runs_per_second": float(results["throughput"]), "median_ms": float(results["latency (ms)"])}


def measure_engine(models, options):
    rows = []
    for name in ENGINE_MODELS:
        if name not in models:
            left_out(name)
            continue
        path = models[name]["path"]
        shapes = input_shapes(path)
        for streams in (1, 2):
            # One stream is compared by the time of a run, several by runs a second.
            field, unit = ("median_ms", "ms") if streams == 1 else ("runs_per_second", "runs/s")
            figures = take_turns(
                {
                    "engine": lambda streams=streams, path=path, field=field: engine_figures(
                        path, streams, "f32", options.seconds
                    )[field],
                    "peer": lambda streams=streams, path=path, field=field, shapes=shapes: peer_figures(
                        path, shapes, streams, "f32", options.seconds
                    )[field],
                },
                options.runs,
                warm_up=options.warm_up,
            )
            value = ratio(figures, "engine", "peer") if streams == 1 else ratio(figures, "peer", "engine")
            rows.append(
                ("Engine", f"{name}, float32, {streams} stream{'s' if streams > 1 else ''} of 1 thread",
                 show(figures["engine"], unit), "OpenVINO's benchmark_app", show(figures["peer"], unit),
                 f"{value:.2f}x the time", f"<= {MOST_ENGINE_RATIO:.2f}x", verdict(value <= MOST_ENGINE_RATIO))
            )  # fmt: skip
    return rows


def measure_service(models, options):
    """The service on half of the processors, its client on the others, against the engine on the same processors."""
    cpus = sorted(os.sched_getaffinity(0))
    ours, clients = cpus[: max(1, len(cpus) // 2)], cpus[len(cpus) // 2 :]
    ours_text = ",".join(map(str, ours))
    rows = []
    for analyzer, name in SERVICE_MODELS.items():
        if name not in models:
            left_out(name)
            continue
        with tempfile.TemporaryDirectory(prefix="reelsight-bench-") as folder:
            config = f'cpus: "{ours_text}" models {{ float32_only: true }} max_queued_batches: 64\n'
            service = servers.start_service("reelsight-detection", servers.server_text() + config, folder)
            try:
                load = service_load.Load(service, analyzer, ROOT / ".deps/media/bikes.mp4", clients, 2 * len(ours))
                load.measure(1)
                turns = take_turns(
                    {
                        "service": lambda load=load: load.measure(options.seconds),
                        "engine": lambda name=name: engine_figures(
                            models[name]["path"], len(ours), "f32", options.seconds, ours_text
                        ),
                    },
                    options.runs,
                    warm_up=options.warm_up,
                )
            finally:
                service.stop()
        figures = {
            "service": [turn["frames_per_second"] for turn in turns["service"]],
            "engine": [turn["runs_per_second"] for turn in turns["engine"]],
        }
        cpu = {
            "service": [turn["cpu_ms"] for turn in turns["service"]],
            "engine": [turn["cpu_ms_per_run"] for turn in turns["engine"]],
        }
        # A service has more threads than the bare engine and so a larger share of a machine that others use too;
        # processor time for a frame has no such bias. The worse of the two counts.
        by_clock, by_cpu = ratio(figures, "service", "engine"), ratio(cpu, "engine", "service")
        rows.append(
            ("Service", f"{analyzer} over gRPC at saturation, {name}, float32, {len(ours)} processor"
             f"{'s' if len(ours) > 1 else ''}; pictures of {load.size} in batches of {load.batch_frames}",
             show(figures["service"], "frames/s"), "the engine alone, same processors",
             show(figures["engine"], "runs/s"),
             f"{by_clock:.2f}x the speed; {by_cpu:.2f}x by processor time a frame",
             f">= {LEAST_SERVICE_SHARE:.2f}x", verdict(min(by_clock, by_cpu) >= LEAST_SERVICE_SHARE))
        )  # fmt: skip
    return rows


def measure_precision(models, options):
    """Markdown of what each installed model loses and gains by bfloat16 and INT8; see precision.py."""
    catalogue = {
        name: {"path": one["path"], "family": one["model"]["family"], "labels": one["model"].get("labels", [])}
        for name, one in models.items()
    }
    command = [PEERS / "python", ROOT / "tests/bench/precision.py"]
    # A view of each picture, and no INT8 files made, are enough to see that it works.
    command += ["--views", "1"] if options.smoke else ["--reelsight", servers.program("reelsight")]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, input=json.dumps(catalogue), cwd=ROOT)
    half = {name for name, one in models.items() if one["model"].get("allowHalfPrecision")}
    return (
        f"Machine: {machine()}; one thread. Times are float32's processor time over the other's, with OpenVINO.\n\n"
        f"{precision_table.markdown(json.loads(done.stdout), half)}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="turns of each contender behind the warm-up")
    parser.add_argument("--seconds", type=float, default=3, help="length of a turn where it can be chosen")
    parser.add_argument("--smoke", action="store_true", help="one short turn of each, to see that it works; saves none")
    parser.add_argument("--only", choices=["engine", "service", "job", "precision"],
                        help="one comparison; of these only precision is saved")  # fmt: skip
    options = parser.parse_args()
    options.warm_up = not options.smoke
    if options.smoke:
        options.runs, options.seconds = 1, 1
    models = installed_models()
    rows = []
    for part, measure in {"engine": measure_engine, "service": measure_service, "job": job.measure}.items():
        if options.only in (None, part):
            print(f"bench: {part}", flush=True)
            rows += measure(models, options)
    text = (
        f"Machine: {machine()}. Median of {options.runs} turns of each contender; lowest and highest in brackets.\n\n"
        f"{table(rows)}"
    )
    if options.only != "precision":
        print(f"\n{text}")
    precision = ""
    if options.only in (None, "precision"):
        print("bench: precision", flush=True)
        precision = measure_precision(models, options)
        print(f"\n{precision}")
    if options.only is None and not options.smoke:
        save("make bench-models", text)
    if precision and not options.smoke:
        save("make bench-models: precision", precision)
    if options.only in (None, "precision") and not options.smoke:
        print(f"\nbench: saved to {PAGE.relative_to(ROOT)}")
    missed = any("missed" in row[-1] for row in rows) or "wrongly" in precision
    return 1 if missed and not options.smoke else 0


if __name__ == "__main__":
    sys.exit(main())
