# SPDX-License-Identifier: Apache-2.0
"""`reelsight models` as a user or a script meets it, with a catalogue of the test's own."""

import contextlib
import hashlib
import http.server
import json
import os
import signal
import subprocess
import threading
import time

import pytest

import servers
from cli_test import GOOD, INTERRUPTED, USAGE, on_terminal, reelsight

FAILED = 1
CONTENT = bytes(range(256)) * 2000


def entry(name, source, more=""):
    digest = hashlib.sha256(CONTENT).hexdigest()
    return (
        f'models {{ name: "{name}" version: "1" task: "object_detection" description: "A net" license: "MIT" '
        f'family: "yolov8_detect" files {{ name: "net.onnx" sha256: "{digest}" size_bytes: {len(CONTENT)} {source} }} '
        f"{more} }}\n"
    )


class Store:
    """A folder of models, and a catalogue beside it."""

    def __init__(self, folder):
        self.folder = folder
        self.catalog = folder / "mine.textproto"
        (folder / "net.onnx").write_bytes(CONTENT)

    def environment(self):
        # The other tests are offline.
        return {
            "REELSIGHT_MODELS": str(self.folder / "models"),
            "REELSIGHT_MODEL_CATALOGS": str(self.catalog),
            "REELSIGHT_OFFLINE": "0",
        }

    def models(self, *arguments, **options):
        return reelsight("models", *arguments, env={**os.environ, **self.environment()}, **options)

    def files(self):
        found = (self.folder / "models").rglob("*")
        return sorted(path.name for path in found if path.is_file() and path.name not in (".lock", ".hashes"))


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path)
    made.catalog.write_text(entry("mine", 'path: "net.onnx"'))
    return made


@contextlib.contextmanager
def slow_server():
    """Sends CONTENT in small pieces for as long as nobody stops it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            with contextlib.suppress(OSError):
                for start in range(0, len(CONTENT), 1000):
                    self.wfile.write(CONTENT[start : start + 1000])
                    time.sleep(0.1)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/net.onnx"
    server.shutdown()
    server.server_close()


def listed(store):
    result = store.models("list", "--json")
    assert result.returncode == GOOD, result.stderr
    return {item["model"]["name"]: item for item in json.loads(result.stdout)}


def test_from_the_catalogue_to_the_file(store):
    assert listed(store)["mine"]["installed"] is False
    missing = store.models("path", "mine")
    assert missing.returncode == FAILED
    assert "reelsight models pull mine" in missing.stderr
    pulled = store.models("pull", "mine")
    assert pulled.returncode == GOOD, pulled.stderr
    assert pulled.stdout == ""
    assert "mine 1 installed" in pulled.stderr and "MIT" in pulled.stderr
    assert listed(store)["mine"]["installed"] is True
    path = store.models("path", "mine").stdout.strip()
    assert path == listed(store)["mine"]["path"] == str(store.folder / "models/mine/1/net.onnx")
    assert store.files() == ["net.onnx"]
    assert store.models("verify", "mine").stdout == "mine: good\n"
    assert store.models("pull", "mine", "--offline").returncode == GOOD


def test_the_table_names_every_model(store):
    result = store.models("list")
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["model", "installed", "size"]
    assert {line.split()[0] for line in lines[1:-2]} == set(listed(store))
    assert lines[-1] == f"in {store.folder / 'models'}"


def test_the_built_in_catalogue_is_complete(store):
    models = {name: item["model"] for name, item in listed(store).items() if name != "mine"}
    for name, model in models.items():
        assert model["license"] and model["description"] and model["homepage"].startswith("https://"), name
        for file in model["files"]:
            assert "pypi" in file or "npm" in file, f"{name} comes from no registry"
    assert {model["task"] for model in models.values() if model.get("defaultForTask")} >= {
        "body_pose",
        "eye_tracking",
        "object_detection",
    }


def test_a_changed_file_is_found_and_fetched_anew(store):
    store.models("pull", "mine")
    path = store.folder / "models/mine/1/net.onnx"
    path.write_bytes(b"!" + CONTENT[1:])
    verified = store.models("verify", "--all")
    assert verified.returncode == FAILED
    assert "reelsight models pull mine --force" in verified.stderr
    assert store.models("pull", "mine", "--force").returncode == GOOD
    assert path.read_bytes() == CONTENT


def test_offline_fails_clearly(store):
    result = store.models("pull", "mine", "--offline")
    assert result.returncode == FAILED
    assert "offline" in result.stderr and "mine" in result.stderr
    assert store.files() == []


def test_one_that_fails_does_not_stop_the_others(store):
    store.catalog.write_text(entry("bad", 'path: "absent.onnx"') + entry("mine", 'path: "net.onnx"'))
    result = store.models("pull", "bad", "mine")
    assert result.returncode == FAILED
    assert "absent.onnx" in result.stderr
    assert store.models("path", "mine").returncode == GOOD


def test_usage_errors(store):
    assert store.models().returncode == USAGE
    assert store.models("pull").returncode == USAGE
    unknown = store.models("pull", "nonesuch")
    assert unknown.returncode == USAGE
    assert "nonesuch" in unknown.stderr and "models list" in unknown.stderr
    store.catalog.write_text("models {\n  nmae: 'x'\n}\n")
    wrong = store.models("list")
    assert wrong.returncode == FAILED
    assert f"{store.catalog}:2:" in wrong.stderr


def test_licences_that_restrict_are_shown_and_accepted_first(store):
    store.catalog.write_text(
        entry("strict", 'path: "net.onnx"', 'restricted: true homepage: "https://example.com/terms"').replace(
            '"MIT"', '"AGPL-3.0-only"'
        )
    )
    refused = store.models("pull", "strict")
    assert refused.returncode == FAILED
    assert "AGPL-3.0-only" in refused.stderr and "https://example.com/terms" in refused.stderr
    assert "--accept-license" in refused.stderr
    assert store.files() == []
    accepted = store.models("pull", "strict", "--accept-license")
    assert accepted.returncode == GOOD, accepted.stderr
    # Installed is accepted.
    assert store.models("pull", "strict").returncode == GOOD


def test_an_interrupt_leaves_no_model_and_the_next_pull_goes_on(store):
    with slow_server() as url:
        store.catalog.write_text(entry("mine", f'url: "{url}"'))
        process = subprocess.Popen(
            [str(servers.program("reelsight")), "models", "pull", "mine"],
            env={**os.environ, **store.environment()}, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        part = store.folder / "models/mine/1/net.onnx.part"
        end = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size) and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == INTERRUPTED
    assert store.files() == ["net.onnx.part"]
    assert store.models("path", "mine").returncode == FAILED
    store.catalog.write_text(entry("mine", 'path: "net.onnx"'))
    assert store.models("pull", "mine").returncode == GOOD
    assert store.files() == ["net.onnx"]


def test_a_terminal_sees_progress(store):
    with slow_server() as url:
        store.catalog.write_text(entry("mine", f'url: "{url}"').replace(str(len(CONTENT)), "20000"))
        _, written = on_terminal("models", "pull", "mine", **store.environment())
    assert "fetching net.onnx" in written and "%" in written and "/s" in written


def analyze(store, clip, *arguments):
    return reelsight(
        "analyze", clip, "--format", "json", *arguments, env={**os.environ, **store.environment()}
    )  # fmt: skip


def test_only_what_a_request_names_is_fetched(store, three_shots):
    store.catalog.write_text(
        entry("other", 'path: "net.onnx"') + entry("mine", 'path: "net.onnx"', "default_for_task: true")
    )
    flags = ["--analyzers", "object_detection", "--option", "object_detection.model=other"]
    done = analyze(store, three_shots, *flags)
    assert "other 1 installed" in done.stderr
    assert "mine" not in done.stderr
    assert listed(store)["mine"]["installed"] is False


def test_an_engine_is_fetched_whole_and_alone(store, three_shots):
    names = {"craft": "craft", "crnn": "crnn", "ppocr_v6_det_small": "ppocr_det", "ppocr_v6_rec_small": "ppocr_rec"}
    text = "".join(
        entry(name, 'path: "net.onnx"').replace("yolov8_detect", family).replace("object_detection", "text_overlay")
        for name, family in names.items()
    )
    store.catalog.write_text(text)
    done = analyze(store, three_shots, "--analyzers", "text_overlay", "--option", "text_overlay.engine=CRAFT_CRNN")
    assert "craft 1 installed" in done.stderr and "crnn 1 installed" in done.stderr
    assert "ppocr" not in done.stderr


def test_a_default_in_a_role_is_what_every_command_says(store):
    store.catalog.write_text(
        entry("mine", 'path: "net.onnx"', 'default_for_task: true role: "recognizer"')
        .replace("yolov8_detect", "ppocr_rec")
        .replace("object_detection", "text_overlay")
    )
    environment = {**os.environ, **store.environment()}
    defaults = {
        name for name, item in listed(store).items()
        if item["model"]["task"] == "text_overlay" and item["model"].get("defaultForTask")
    }  # fmt: skip
    assert defaults == {"mine", "ppocr_v6_det_small", "ppocr_v2_cls_mobile"}
    described = json.loads(reelsight("analyzers", "--json", env=environment).stdout)["analyzers"]
    (text_overlay,) = (item for item in described if item["name"] == "text_overlay")
    assert {model["name"] for model in text_overlay["models"]} == defaults
    assert "pull ppocr_v6_det_small ppocr_v2_cls_mobile mine" in text_overlay["unavailableReason"]
    # A role that nobody would use.
    store.catalog.write_text(store.catalog.read_text().replace("recognizer", "reader"))
    refused = store.models("list")
    assert refused.returncode == FAILED
    assert "no role of text_overlay; there are classifier, detector, recognizer" in refused.stderr


def test_an_analysis_without_weights_goes_on_without_them(store, three_shots):
    result = reelsight(
        "analyze", three_shots, "--offline", "--format", "json", "--analyzers", "object_detection,cut_analysis",
        env={**os.environ, **store.environment()},
    )  # fmt: skip
    results = {item["analyzer"]: item for item in json.loads(result.stdout)["results"]}
    assert "reelsight models pull ssd_mobilenet_v2" in json.dumps(results["object_detection"])
    assert "cutAnalysis" in results["cut_analysis"]
