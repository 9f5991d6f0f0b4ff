# SPDX-License-Identifier: Apache-2.0
"""Makes docs/images/report.png, the README's picture of a report:

    scripts/demo && .venv/bin/python tests/e2e/report_picture.py

The upper part of out/demo/report.html at five seconds, in 256 colours so that it stays small.
"""

import base64
import tempfile
from pathlib import Path

import clips
from chromium import Chromium
from stubs import ROOT

WIDTH_PX, HEIGHT_PX = 1280, 1320
# In the sample clip: a cyclist, a van, the caption.
SHOWN_SECONDS = 5.0


def main():
    picture = ROOT / "docs/images/report.png"
    browser = Chromium()
    try:
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
        browser.open((ROOT / "out/demo/report.html").as_uri(), WIDTH_PX, HEIGHT_PX)
        browser.evaluate(f"seek({SHOWN_SECONDS}, true), new Promise(done => setTimeout(() => done(1), 300))")
        data = browser.call("Page.captureScreenshot", format="png")["data"]
    finally:
        browser.close()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.png"
        whole.write_bytes(base64.b64decode(data))
        palette = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=dither=none"
        clips.ffmpeg("-i", whole, "-vf", palette, "-compression_level", 9, "-pred", "mixed", picture)
    print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
