# SPDX-License-Identifier: Apache-2.0
"""What models lose and gain by bfloat16 and by INT8, on OpenVINO: each on the same pictures, held to the metric of its
task (precision_tasks.py).

Reads {model: {path, family, labels}} as JSON from standard input; prints a list of rows as JSON: `value` is float32's
metric against the labels, or null without labels; of each other precision `loss` is the share of it that is lost,
below 0 where it gains, and `speed` the processor time of float32 over that of the other. A model whose output is not a
number everywhere has a `failure` instead. INT8 files are made here by models/quantize, calibrated on the odd seconds
of the sample clips. Runs in the venv of bench-models.txt.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

import labelled
import recipe_models as models
from precision_tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]
QUANTIZER = ROOT / ".deps/quantize/bin/python"
# Families that the quantizer can calibrate on whole pictures, on pictures with text, and on lines of text.
ON_PICTURES = {"ssd", "nanodet", "centernet", "movenet_multipose", "blazeface_short_range", "blazeface_full_range",
               "selfie"}  # fmt: skip
ON_TEXT, ON_LINES = {"ppocr_det", "craft"}, {"ppocr_rec", "crnn"}


class NotANumberError(Exception):
    """What the program refuses, too."""


class Timed(models.Session):
    """A session that adds up the processor time of its runs, and refuses outputs that hold a NaN or an infinity."""

    def __init__(self, path, precision):
        super().__init__(path, "openvino", precision, threads=1)
        self.cpu_seconds = 0.0

    def run(self, *inputs):
        begin = time.process_time()
        outputs = super().run(*inputs)
        self.cpu_seconds += time.process_time() - begin
        if not all(np.isfinite(output).all() for output in outputs):
            shapes = ", ".join("x".join(map(str, one.shape)) for one in inputs)
            raise NotANumberError(f"no numbers on an input of {shapes}")
        return outputs


class Quantizer:
    """Makes INT8 files in a scratch folder; calibrates on the odd seconds."""

    def __init__(self, folder, program):
        self.folder, self.program = Path(folder), program
        pictures = list(labelled.sample(6, True))[::2]
        written = [labelled.write(picture, number) for number, picture in enumerate(pictures)]
        kinds = {
            "pictures": pictures,
            "text": [picture for picture, *_ in written],
            "lines": [labelled.line_picture(picture, np.maximum(box, 0)) for picture, _, box, _ in written],
        }
        for kind, found in kinds.items():
            (self.folder / kind).mkdir()
            for i, picture in enumerate(found):
                cv2.imwrite(str(self.folder / kind / f"{i:03}.png"), picture)

    def make(self, name, family):
        """Path of the INT8 file; None where none can be made."""
        if family in ON_PICTURES | ON_TEXT | ON_LINES:
            kind = "text" if family in ON_TEXT else "lines" if family in ON_LINES else "pictures"
            calibration = [self.folder / kind]
        elif family == "transnetv2":
            # Windows of whole clips; what is measured are other orders of their pieces.
            calibration = [labelled.MEDIA / f"{clip}.mp4" for clip in labelled.CLIPS]
        else:
            return None
        path = self.folder / f"{name}_int8.onnx"
        samples = "8" if family == "craft" else "100"
        command = [QUANTIZER, ROOT / "models/quantize/quantize.py", name, *calibration, "--output", path]
        done = subprocess.run([*command, "--samples", samples, "--reelsight", self.program], check=False,
                              capture_output=True, text=True)  # fmt: skip
        if done.returncode != 0:
            # The last line says what is wrong.
            print(f"  {name} has no INT8 form: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr, flush=True)
            return None
        return str(path)


def measure(name, model, int8, views):
    """One row of a model."""
    task = TASKS[model["family"]](model, views)
    session = Timed(model["path"], "f32")
    exact, seconds = task.answers(session), session.cpu_seconds
    row = {"model": name, "metric": task.metric, "unit": task.unit, "count": int(task.count), "results": {}}
    row["value"] = float(task.score(exact)) if hasattr(task, "score") else None
    for precision, other in (("bf16", (model["path"], "bf16")), ("int8", (int8, "f32") if int8 else None)):
        if other is None:
            continue
        session = Timed(*other)
        try:
            loss, detail = task.lost(exact, task.answers(session))
            row["results"][precision] = {"loss": float(loss), "detail": detail, "speed": seconds / session.cpu_seconds}
        except NotANumberError as error:
            row["results"][precision] = {"failure": str(error)}
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=int, default=0, help="of each picture; the usual number if not given")
    parser.add_argument("--reelsight", help="the program, for the quantizer; without it there is no INT8")
    parser.add_argument("--only", nargs="*", help="these models")
    options = parser.parse_args()
    catalogue = json.load(sys.stdin)
    rows = []
    with tempfile.TemporaryDirectory(prefix="reelsight-int8-") as folder:
        quantizer = Quantizer(folder, options.reelsight) if options.reelsight and QUANTIZER.exists() else None
        if quantizer is None:
            print("  INT8 is left out: no quantizer; run: scripts/setup quantize", file=sys.stderr)
        for name, model in sorted(catalogue.items()):
            if model["family"] in TASKS and (not options.only or name in options.only):
                int8 = quantizer.make(name, model["family"]) if quantizer else None
                rows.append(measure(name, {**model, "catalogue": catalogue}, int8, options.views))
                print(rows[-1], file=sys.stderr, flush=True)
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
