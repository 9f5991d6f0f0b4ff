# SPDX-License-Identifier: Apache-2.0
"""A URI's user, password and query show up in none of what the programs write: answers, errors, logs, metrics, reports,
documents."""

import base64
import json
import subprocess
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest

import servers
from stubs import pb

SECRET = "hunter2"
# What follows `http:`, of a server at HOST. The last ones are no URLs that can be fetched.
FORMS = [
    "//user-hunter2:hunter2@HOST/clip.mp4?X-Amz-Signature=hunter2#hunter2",
    "//hunter2@HOST/clip.mp4",
    "//hunter2;opt:hunter2@HOST/clip.mp4?token=hunter2",
    "//hunter2%40:hunter2%2F@HOST/clip.mp4",
    "//hunter2@hunter2:hunter2@HOST/clip.mp4",
    "//hunter2:hunter2@HOST/missing.mp4?token=hunter2",
    "//hunter2:hunter2@HOST/page?token=hunter2",
    "//hunter2:hunter2@HOST/to-missing?token=hunter2",
    "//hunter2:hunter2@nothing.invalid/clip.mp4",
    "//hunter2:hunter2@[::1]:1/clip.mp4",
    "//hunter2:hunter2\\@HOST\\@nothing.invalid/clip.mp4",
    "//hunter2:hun\tter2hunter2@HOST/clip.mp4",
    "/hunter2:hunter2@HOST/clip.mp4?token=hunter2",
    "///hunter2:hunter2@HOST/clip.mp4?token=hunter2",
    "hunter2:hunter2@HOST/clip.mp4?token=hunter2",
    "//hunter2:hunter2/hunter2@HOST/clip.mp4",
]
OTHERS = [
    "hunter2:hunter2@HOST/clip.mp4?token=hunter2",
    "//hunter2:hunter2@HOST/clip.mp4?token=hunter2",
    " http://hunter2:hunter2@HOST/clip.mp4",
    "HTTP://hunter2:hunter2@HOST/clip.mp4?hunter2",
    "https://hunter2:hunter2@HOST/clip.mp4?hunter2",
    "ftp://hunter2:hunter2@HOST/clip.mp4?hunter2",
    "file://hunter2:hunter2@HOST/clip.mp4",
    "s3://hunter2:hunter2@bucket/clip.mp4?token=hunter2",
]


class Handler(BaseHTTPRequestHandler):
    clip = b""

    def do_GET(self):
        self.server.seen.append(self.headers.get("Authorization", ""))
        path = self.path.partition("?")[0]
        if path == "/to-missing":
            self.send_response(302)
            self.send_header("Location", "/missing.mp4?token=hunter2")
            self.end_headers()
        elif path in ("/clip.mp4", "/page"):
            body = self.clip if path == "/clip.mp4" else b"<html>hunter2</html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def web(three_shots):
    Handler.clip = three_shots.read_bytes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def orchestrator(folder, lightweight):
    process = servers.start_orchestrator(
        folder,
        servers.endpoint("lightweight", lightweight.address),
        extra="sources { allow_private_addresses: true }\n",
        name="secrets",
    )
    yield process
    process.stop()


def uris(web):
    host = f"127.0.0.1:{web.server_port}"
    return [text.replace("HOST", host) for text in [f"http:{form}" for form in FORMS] + OTHERS]


def test_no_output_shows_a_secret_of_a_uri(web, orchestrator):
    stub = servers.connect(orchestrator.address)
    answered = 0
    for number, uri in enumerate(uris(web)):
        request = pb.AnalyzeRequest(uri=uri, analyzers=["cut_analysis"], request_id=f"run-{number}")
        try:
            shown = str(list(stub.AnalyzeStream(request, timeout=30)))
            answered += 1
        except grpc.RpcError as error:
            shown = str(error) + error.details() + str(error.trailing_metadata())
        assert SECRET not in shown and "hun?ter2" not in shown, uri
    assert answered >= 5
    # The secrets were sent where they belong, so that there was something to show.
    assert any(base64.b64encode(b"hunter2:").decode() == seen.removeprefix("Basic ") for seen in web.seen)
    assert SECRET not in orchestrator.log() and "run failed" in orchestrator.log()
    with urllib.request.urlopen(f"http://{orchestrator.metrics_address}/metrics", timeout=10) as page:
        assert SECRET not in page.read().decode()


@pytest.mark.parametrize("form", ["json", "text", "textproto"])
def test_no_document_shows_a_secret_of_a_uri(web, tmp_path, form):
    inputs = [uri for uri in uris(web) if "\t" not in uri]
    done = subprocess.run(
        [
            servers.program("reelsight"),
            "analyze",
            *inputs,
            "--analyzers",
            "color_analysis",
            "--format",
            form,
            "--output",
            tmp_path / "out",
            "--report",
            tmp_path / "reports",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    document = (tmp_path / "out").read_text()
    assert SECRET not in done.stdout + done.stderr + document
    reports = list((tmp_path / "reports").iterdir())
    assert reports
    for report in reports:
        assert SECRET not in report.name + report.read_text(), report
    if form == "json":
        lines = [json.loads(line) for line in document.splitlines()]
        assert len(lines) == len(inputs) and any("response" in line for line in lines)
