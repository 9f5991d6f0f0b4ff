# SPDX-License-Identifier: Apache-2.0
"""Redirects between local servers with and without TLS: where they may lead, and what goes with them."""

import base64
import http.server
import os
import pathlib
import ssl
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROBE = pathlib.Path(os.environ.get("REELSIGHT_BUILD_DIR", ROOT / "build/release")) / "bin/source_probe"
CLIP = b"\x00\x00\x00\x18ftypmp42" + bytes(5000)
BASIC = "Basic " + base64.b64encode(b"user:secret").decode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        location = self.server.redirects.get(self.path)
        body = b"" if location else CLIP
        self.send_response(302 if location else 200)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    return folder


@pytest.fixture
def start(certificate):
    """Starts servers; `start(tls)` gives one with its address as `url`."""
    running = []

    def make(tls):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.seen = []
        server.redirects = {}
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.host = f"127.0.0.1:{server.server_port}"
        server.url = f"{'https' if tls else 'http'}://{server.host}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return server

    yield make
    for server in running:
        server.shutdown()
        server.server_close()


def probe(certificate, uri, more=""):
    config = f'sources {{ allow_private_addresses: true ca_file: "{certificate}/cert.pem" {more} }}'
    done = subprocess.run([PROBE, config, uri], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()


REFUSED = "PERMISSION_DENIED SOURCE_FORBIDDEN redirected from https to http"


def test_a_redirect_from_https_to_http_is_refused(start, certificate):
    secure, plain = start(tls=True), start(tls=False)
    secure.redirects = {"/clip": f"{plain.url}/clip?token=secret", "/upper": f"HTTP://{plain.host}/clip"}
    for path in secure.redirects:
        line = probe(certificate, secure.url + path)
        assert line.startswith(REFUSED) and "sources.allow_insecure_redirects" in line and "secret" not in line
    assert plain.seen == []
    assert probe(certificate, f"{secure.url}/clip", "allow_insecure_redirects: true").startswith("OK")
    assert len(plain.seen) == 1


def test_a_redirect_back_to_http_is_refused_too(start, certificate):
    secure, plain = start(tls=True), start(tls=False)
    plain.redirects = {"/clip": f"{secure.url}/clip"}
    secure.redirects = {"/clip": f"{plain.url}/other"}
    assert probe(certificate, f"{plain.url}/clip").startswith(REFUSED)
    assert [path for path, _ in plain.seen] == ["/clip"]


def test_other_redirects_are_followed(start, certificate):
    secure, plain = start(tls=True), start(tls=False)
    plain.redirects = {"/clip": f"{secure.url}/clip"}
    secure.redirects = {"/clip": "/here", "/here": f"//{secure.host}/there"}
    assert probe(certificate, f"{plain.url}/clip").startswith("OK")
    assert [path for path, _ in secure.seen] == ["/clip", "/here", "/there"]


def test_a_server_of_an_unknown_authority_is_refused(start, certificate):
    secure = start(tls=True)
    config = "sources { allow_private_addresses: true }"
    done = subprocess.run(
        [PROBE, config, f"{secure.url}/clip"], capture_output=True, text=True, timeout=60, check=False
    )
    assert "no secure connection" in done.stdout
    assert secure.seen == []


@pytest.mark.parametrize("place", ["http://{host}/clip", "//{host}/clip", "HTTP://{host}/clip", "http:/{host}/clip"])
def test_credentials_stay_with_their_host(start, certificate, place):
    first, other = start(tls=False), start(tls=False)
    first.redirects = {"/clip": "/again", "/again": place.format(host=other.host)}
    line = probe(certificate, first.url.replace("//", "//user:secret@") + "/clip")
    assert line.startswith("OK")
    # They were sent, also to where a redirect led on the same host.
    assert first.seen == [("/clip", BASIC), ("/again", BASIC)]
    assert other.seen == [("/clip", None)]
