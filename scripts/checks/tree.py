# SPDX-License-Identifier: Apache-2.0
"""The files that git tracks, for the checks beside this file."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files(*patterns):
    """Paths below the root, as git lists them, that still exist."""
    listing = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for path in listing.stdout.split("\0") if path and (ROOT / path).is_file()]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def finish(complaints):
    """Ends the program: prints the complaints, exit code 1 if there are any."""
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)
