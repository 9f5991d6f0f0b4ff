# SPDX-License-Identifier: Apache-2.0
"""Fetches objects from a local S3 server that verifies each request's signature with the signer of Amazon's own SDK."""

import hashlib
import http.server
import os
import pathlib
import random
import re
import subprocess
import threading
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROBE = pathlib.Path(os.environ.get("REELSIGHT_BUILD_DIR", ROOT / "build/release")) / "bin/source_probe"

ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjE/+token=="
REGION = "eu-central-1"
DATA = random.Random(11).randbytes(3_000_000)
# Names that encoders get wrong.
KEYS = [
    "clip.mp4",
    "deep/er/clip.mp4",
    "with space+plus=equals&and?what#hash.mp4",
    "percent%20encoded%2F.mp4",
    "ünïcode/日本語.mp4",
    "a//b/./c/../d.mp4",
    "in/..",
    "in/.../..b/c../%2e",
    "a/%2e%2e/b\\..\\c",
    "(brackets)[1]!*'$@:;,~^`|{}\\\"<>.mp4",
]


class S3Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def fail(self, status, code, more=""):
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message>{more}</Error>'.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def signature_error(self):
        """Signs what arrived anew; None if that gives the same signature."""
        sent = self.headers.get("Authorization", "")
        match = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
            r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
            sent,
        )
        if not match:
            return "AccessDenied", ""
        key, date, region, signed, signature = match.groups()
        if key != ACCESS_KEY:
            return "InvalidAccessKeyId", ""
        if region != REGION:
            return "AuthorizationHeaderMalformed", f"<Region>{REGION}</Region>"
        for needed in ("host", "x-amz-date", "x-amz-content-sha256"):
            if needed not in signed.split(";"):
                return "MissingSignedHeader", ""
        # Amazon insists that every x-amz header that is sent is signed.
        if any(name.lower().startswith("x-amz-") and name.lower() not in signed.split(";") for name in self.headers):
            return "AccessDenied", ""
        if self.server.token and self.headers.get("x-amz-security-token") != self.server.token:
            return "InvalidToken", ""
        stamp = self.headers["x-amz-date"]
        if not stamp.startswith(date):
            return "SignatureDoesNotMatch", ""
        headers = {name: self.headers[name] for name in signed.split(";")}
        request = botocore.awsrequest.AWSRequest("GET", f"http://{self.headers['Host']}{self.path}", headers=headers)
        request.context["timestamp"] = stamp
        credentials = botocore.credentials.Credentials(ACCESS_KEY, SECRET_KEY)
        auth = botocore.auth.S3SigV4Auth(credentials, "s3", region)
        canonical = auth.canonical_request(request)
        expected = auth.signature(auth.string_to_sign(request, canonical), request)
        return None if expected == signature else ("SignatureDoesNotMatch", "")

    def do_GET(self):
        self.server.requests.append(self.headers)
        self.server.paths.append(self.path)
        error = self.signature_error()
        public = self.path.startswith("/public/")
        if error and not (public and "Authorization" not in self.headers):
            return self.fail(400 if error[0] == "AuthorizationHeaderMalformed" else 403, *error)
        path = urllib.parse.unquote(self.path)
        host = self.headers["Host"].split(":")[0]
        if host.endswith(".localhost"):
            path = "/" + host.removesuffix(".localhost") + path
        _, bucket, key = path.split("/", 2)
        if bucket not in ("clips", "public"):
            return self.fail(404, "NoSuchBucket")
        if key == "secret.mp4":
            return self.fail(403, "AccessDenied")
        if key not in KEYS:
            return self.fail(404, "NoSuchKey")
        if self.server.busy > 0:
            self.server.busy -= 1
            return self.fail(503, "SlowDown")
        start = 0
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(match[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        else:
            self.send_response(200)
        self.send_header("ETag", '"' + hashlib.md5(DATA).hexdigest() + '"')
        self.send_header("Content-Length", str(len(DATA) - start))
        self.end_headers()
        try:
            self.wfile.write(DATA[start:])
        except OSError:
            self.close_connection = True


@pytest.fixture
def s3():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), S3Handler)
    server.daemon_threads = True
    server.requests = []
    server.paths = []
    server.token = ""
    server.busy = 0
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def probe(
    server,
    uri,
    *,
    host="127.0.0.1",
    style="",
    region=REGION,
    access_key=ACCESS_KEY,
    secret_key=SECRET_KEY,
    token="",
    seed=None,
):
    config = f'sources {{ s3 {{ endpoint: "http://{host}:{server.server_port}" region: "{region}" {style} }} }}'
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key, "AWS_SESSION_TOKEN": token}
    command = [PROBE, config, uri] + ([] if seed is None else [str(seed)])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()


WHOLE = f"OK {len(DATA)} {hashlib.sha256(DATA).hexdigest()}"


@pytest.mark.parametrize("key", KEYS)
def test_signature_holds_for_every_name(s3, key):
    assert probe(s3, f"s3://clips/{key}").startswith(WHOLE)


@pytest.mark.parametrize("key", KEYS)
def test_bucket_in_the_host_name(s3, key):
    assert probe(s3, f"s3://clips/{key}", host="localhost", style="path_style: false").startswith(WHOLE)
    assert s3.requests[0]["Host"] == f"clips.localhost:{s3.server_port}"


def test_session_token_is_sent_and_signed(s3):
    s3.token = TOKEN
    assert probe(s3, "s3://clips/clip.mp4", token=TOKEN).startswith(WHOLE)
    assert "x-amz-security-token" in s3.requests[0]["Authorization"]
    assert probe(s3, "s3://clips/clip.mp4").startswith("FAILED_PRECONDITION SOURCE_FORBIDDEN")


def test_pieces_in_random_order(s3):
    """Later requests carry If-Match, which is signed too."""
    assert probe(s3, "s3://clips/clip.mp4", seed=5).startswith(WHOLE)


def test_public_object_needs_no_credentials(s3):
    assert probe(s3, "s3://public/clip.mp4", access_key="", secret_key="").startswith(WHOLE)
    assert "Authorization" not in s3.requests[0]
    line = probe(s3, "s3://clips/clip.mp4", access_key="", secret_key="")
    assert line.startswith("PERMISSION_DENIED SOURCE_FORBIDDEN") and "AWS_ACCESS_KEY_ID" in line


STYLES = {"path": {}, "host": {"host": "localhost", "style": "path_style: false"}}
SIGNED = {"signed": {}, "unsigned": {"access_key": "", "secret_key": ""}}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("signed", SIGNED)
@pytest.mark.parametrize("style", STYLES)
def test_the_path_arrives_as_the_key_is(s3, style, signed, key):
    """Not resolved on the way, with or without a signature."""
    probe(s3, f"s3://public/{key}", **STYLES[style], **SIGNED[signed])
    prefix = "/public/" if style == "path" else "/"
    assert [urllib.parse.unquote(path) for path in s3.paths[:1]] == [prefix + key]


@pytest.mark.parametrize(
    "key",
    [
        "../../minio/admin/v3/info",
        "..",
        "a/../../clips/secret.mp4",
        "a//../../clips/secret.mp4",
        "./../clips/secret.mp4",
        "%2e%2e/clips/secret.mp4",
        "%2e%2e%2fclips%2fsecret.mp4",
        "%252e%252e/clips/secret.mp4",
        "..\\clips\\secret.mp4",
        "a/%5c..%5c..%5c../clips/secret.mp4",
    ],
)
@pytest.mark.parametrize("signed", SIGNED)
@pytest.mark.parametrize("style", STYLES)
def test_a_key_cannot_leave_its_bucket(s3, style, signed, key):
    line = probe(s3, f"s3://public/{key}", **STYLES[style], **SIGNED[signed])
    assert line.startswith("INVALID_ARGUMENT") and "out of the bucket" in line
    assert s3.paths == []


def test_slow_down_is_tried_again(s3):
    s3.busy = 2
    assert probe(s3, "s3://clips/clip.mp4").startswith(WHOLE)


@pytest.mark.parametrize(
    ("uri", "change", "expected", "says"),
    [
        ("s3://clips/no.mp4", {}, "NOT_FOUND SOURCE_NOT_FOUND", "no such object"),
        ("s3://nothing/clip.mp4", {}, "NOT_FOUND SOURCE_NOT_FOUND", "no such bucket"),
        ("s3://clips/secret.mp4", {}, "PERMISSION_DENIED SOURCE_FORBIDDEN", "s3:GetObject"),
        ("s3://clips/clip.mp4", {"secret_key": "wrong"}, "FAILED_PRECONDITION SOURCE_FORBIDDEN", "not accepted"),
        ("s3://clips/clip.mp4", {"access_key": "OTHER"}, "FAILED_PRECONDITION SOURCE_FORBIDDEN", "AWS_ACCESS_KEY_ID"),
        ("s3://clips/clip.mp4", {"region": "us-east-1"}, "FAILED_PRECONDITION SOURCE_FORBIDDEN", "in eu-central-1"),
    ],
)
def test_errors_say_what_to_do(s3, uri, change, expected, says):
    line = probe(s3, uri, **change)
    assert line.startswith(expected) and says in line
    assert SECRET_KEY not in line
