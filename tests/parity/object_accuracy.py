# SPDX-License-Identifier: Apache-2.0
"""Rates the packaged object detectors on objects marked by hand, which decides the default.

Six photographs and five frames of clips, 19 objects of eight kinds. An object counts as found by a box of its label
that overlaps it by half (IoU 0.5); each box finds one object. Boxes that find none are false, but for those over what
is marked as doubtful. A detector is rated at the scores from which it reports (the catalogue's `min_score`).

Needs ffmpeg, the built reelsight, the clips of scripts/setup, and the packages of scripts/requirements/parity.txt (see
`make parity`). Models that are not installed are left out.
"""

import argparse
import json
import subprocess
import sys

import photographs
from marked import OBJECTS, inside, overlap

MODELS = ["ssd_mobilenet_v2", "nanodet", "centernet"]
DEFAULT = MODELS[0]
# Least F1 of the default.
MIN_F1 = 0.7
MIN_OVERLAP = 0.5


def detect(program, model, picture):
    """(score, label, box in pixels), best first."""
    height, width = picture.shape[:2]
    found = []
    result = photographs.analyze(picture, program, "object_detection", f"model={model}")
    for track in result["objectDetection"].get("tracks", []):
        (seen,) = track["observations"]
        box = [seen["box"].get(side, 0) * size for side, size in
               zip(("left", "top", "right", "bottom"), (width, height) * 2, strict=True)]  # fmt: skip
        found.append((seen["score"], track["label"], box))
    return sorted(found, reverse=True)


def rate(objects, found):
    """Objects found, boxes that are false, and what was missed."""
    open_objects = [one for one in objects if one[0] != "?"]
    doubtful = [box for label, box in objects if label == "?"]
    hits, false = 0, []
    for _, label, box in found:
        best = max((one for one in open_objects if one[0] == label), key=lambda one: overlap(one[1], box), default=None)
        if best is not None and overlap(best[1], box) >= MIN_OVERLAP:
            open_objects.remove(best)
            hits += 1
        elif not any(inside(box, area) for area in doubtful):
            false.append(label)
    return hits, false, [label for label, _ in open_objects]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/bin/reelsight")
    options = parser.parse_args()
    listed = json.loads(
        subprocess.run([options.program, "models", "list", "--json"], capture_output=True, check=True).stdout
    )
    installed = {one["model"]["name"] for one in listed if one["installed"]}
    pictures = {name: photographs.named(name) for name in OBJECTS}
    rates = {}
    for model in MODELS:
        if model not in installed:
            print(f"{model} is left out: not installed; run: reelsight models pull {model}")
            continue
        print(model)
        hits = false = missed = 0
        for name, objects in OBJECTS.items():
            one, wrong, absent = rate(objects, detect(options.program, model, pictures[name]))
            hits, false, missed = hits + one, false + len(wrong), missed + len(absent)
            print(f"  {name:32} {one} found  false: {', '.join(wrong) or '-'}  missed: {', '.join(absent) or '-'}")
        rates[model] = 2 * hits / (2 * hits + false + missed)
        print(f"  {hits} of {hits + missed} found, {false} false, F1 {rates[model]:.3f}")
    failures = []
    if rates.get(DEFAULT, 0) < MIN_F1:
        failures.append(f"F1 of the default {DEFAULT} is {rates.get(DEFAULT, 0):.3f}, below {MIN_F1}")
    failures += [f"{model} is better than the default" for model, f1 in rates.items() if f1 > rates.get(DEFAULT, 0)]
    print("\n".join(failures) if failures else "passed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
