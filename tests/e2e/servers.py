# SPDX-License-Identifier: Apache-2.0
"""The real programs, started on free ports with real configuration files."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from stubs import FOLDER, ROOT, rpc

BUILD = Path(os.environ.get("REELSIGHT_BUILD_DIR", ROOT / "build/release"))
# Sanitizer builds are slower; bounds on time are stretched by this.
SLOWNESS = float(os.environ.get("REELSIGHT_SLOWNESS", "1"))
MAX_MESSAGE = 64 << 20
# The analyzers of the lightweight service, a folder for each, in the order of an answer.
BUILT_IN = sorted(path.parent.name for path in ROOT.glob("services/lightweight/*/CMakeLists.txt"))


def program(name):
    """Path of a program of ours."""
    path = BUILD / "bin" / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built; run: make build")
    return path


class Process:
    """A server in a process of its own. Its log goes to a file, so that a full pipe never stops it."""

    def __init__(self, command, folder, name, env=None):
        self.log_path = Path(folder) / f"{name}.log"
        self.name = name
        self.address = ""
        self.metrics_address = ""
        with self.log_path.open("wb") as log:
            self.popen = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
            )

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for_address(self, read, seconds=30):
        """Waits until `read(log)` gives the addresses, then keeps them."""
        end = time.monotonic() + seconds * SLOWNESS
        while time.monotonic() < end:
            found = read(self.log())
            if found:
                self.address, self.metrics_address = found
                return self
            if self.popen.poll() is not None:
                break
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"{self.name} did not start:\n{self.log()}")

    @property
    def pid(self):
        return self.popen.pid

    def metrics(self):
        """Prometheus series by name and labels, e.g. `reelsight_runs_total{code="OK"}`."""
        with urllib.request.urlopen(f"http://{self.metrics_address}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and line[0] != "#"}

    def metric(self, name, **labels):
        """Sum of the series of one name that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            value
            for series, value in self.metrics().items()
            if series.split("{")[0] == name and all(label in series for label in wanted)
        )

    def stop(self, seconds=40):
        """SIGTERM and wait; returns the exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout=seconds * SLOWNESS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self.name} did not stop:\n{self.log()[-4000:]}") from None

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
        return self.popen.wait()


def json_addresses(log):
    """The addresses out of a JSON log line."""
    for line in log.splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            fields = json.loads(line)
            if isinstance(fields, dict) and "address" in fields:
                return fields["address"], fields.get("metrics_address", "")
    return None


def server_text(extra=""):
    return (
        'server { listen_address: "127.0.0.1:0" metrics_address: "127.0.0.1:0" '
        f'log {{ format: JSON level: "debug" }} {extra} }}\n'
    )


def start_service(binary, config, folder, name=None, env=None):
    """Starts one of our servers with `config`, a text proto; `env` is added to its environment."""
    name = name or binary
    path = Path(folder) / f"{name}.textproto"
    path.write_text(config)
    process = Process([program(binary), "--config", path], folder, name, env)
    return process.wait_for_address(json_addresses)


def start_lightweight(folder, name="lightweight", extra="", env=None):
    return start_service("reelsight-lightweight", server_text() + extra, folder, name, env)


def endpoint(name, *addresses, extra=""):
    target = "ipv4:" + ",".join(addresses)
    return f'endpoints {{ name: "{name}" target: "{target}" {extra} }}\n'


def start_orchestrator(folder, endpoints, extra="", server_extra="", name="orchestrator", env=None):
    """`extra`: further fields of the configuration."""
    roots = f'sources {{ file_roots: "{ROOT / ".deps/media"}" file_roots: "{folder}" }}\n'
    if "sources" in extra:
        roots = ""
    config = server_text(server_extra) + endpoints + roots + extra
    return start_service("reelsight-orchestrator", config, folder, name, env)


def start_embedded(folder, root=None, extra="retention_seconds: 1\n"):
    """`reelsight serve`: all in one process. It may read files below `root`, by default `folder`."""
    path = Path(folder) / "serve.textproto"
    path.write_text(server_text() + extra)
    command = [program("reelsight"), "serve", "--config", path, "--root", root or folder]
    return Process(command, folder, "serve").wait_for_address(json_addresses)


def start_flash_warning(folder):
    """The Python analyzer of docs/examples, as a user would start it."""
    script = ROOT / "docs/examples/custom_analyzer/flash_warning.py"
    process = Process(
        [sys.executable, script, "--listen", "127.0.0.1:0"], folder, "flash_warning", env={"PYTHONPATH": FOLDER}
    )

    def read(log):
        match = re.search(r"listening on port (\d+)", log)
        return (f"127.0.0.1:{match[1]}", "") if match else None

    return process.wait_for_address(read)


def connect(address):
    """A stub of the public service. The channel closes with the process."""
    options = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)]
    return rpc.VideoAnalysisServiceStub(grpc.insecure_channel(address, options=options))


def free_port():
    """A port nobody listened on a moment ago; for peers that must be absent."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def error_reason(error):
    """The reason in the ErrorInfo of an RpcError, and its metadata."""
    status = rpc_status.from_call(error)
    assert status is not None, f"no details: {error.code()} {error.details()}"
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            assert info.domain == "reelsight"
            return info.reason, dict(info.metadata)
    return "", {}


def error_detail(error, kind):
    """The detail of type `kind`, or None."""
    for detail in rpc_status.from_call(error).details:
        found = kind()
        if detail.Unpack(found):
            return found
    return None


def wait_until(condition, seconds=10):
    """Polls until `condition()` is true; returns the seconds it took, or fails."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds * SLOWNESS:
        if condition():
            return time.monotonic() - begin
        time.sleep(0.02)
    raise AssertionError(f"not so after {seconds * SLOWNESS} s")


class SlowAnalyzer:
    """An analyzer in this process that takes its time: `hold` is called for each batch and may block."""

    def __init__(self, name, hold, parallelism=4):
        from concurrent import futures

        from stubs import analyzer_pb, analyzer_rpc

        outer = self
        self.batches = 0
        self.cancelled = threading.Event()

        class Service(analyzer_rpc.AnalyzerServiceServicer):
            def Describe(self, request, context):
                response = analyzer_pb.DescribeResponse(service=name, version="1", parallelism=parallelism)
                response.analyzers.add(
                    name=name,
                    description="waits",
                    frame_spec=analyzer_pb.FrameSpec(format=analyzer_pb.PIXEL_FORMAT_GRAY8, max_side_px=32),
                    sampling=analyzer_pb.Sampling(sample_fps=2),
                    batch_frames=4,
                    available=True,
                )
                return response

            def AnalyzeFrames(self, request, context):
                outer.batches += 1
                context.add_callback(lambda: None if context.code() else outer.cancelled.set())
                hold(context)
                response = analyzer_pb.AnalyzeFramesResponse()
                for work in request.work:
                    results = response.results.add(analyzer=work.analyzer).results
                    for frame in request.frames:
                        if frame.index in work.target_indexes:
                            results.add(index=frame.index, offset=frame.offset)
                return response

            def Summarize(self, request, context):
                response = analyzer_pb.SummarizeResponse(headline=f"{len(request.results)} frames")
                response.custom.update({"frames": len(request.results)})
                return response

        self.server = grpc.server(
            futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", MAX_MESSAGE)]
        )
        analyzer_rpc.add_AnalyzerServiceServicer_to_server(Service(), self.server)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def stop(self):
        self.server.stop(0).wait()
