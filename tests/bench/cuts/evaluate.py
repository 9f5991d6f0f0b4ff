# SPDX-License-Identifier: Apache-2.0
"""Measures cut_analysis and PySceneDetect on the labelled set that make_set.py builds.

    python evaluate.py SET --program build/release/bin/cut_evaluate [--neural] [--peers] [--report RESULTS.md]

A cut matches within one frame, a gradual transition at an overlap of IoU >= 0.5; one to one, in order of time. The
peers report places, not spans, so a place inside a gradual transition counts neither for nor against their cuts, and
counts as having found the transition. Their parameters are those best on the tuning clips. TransNetV2 alone, at its
authors' threshold, is measured as a peer.
"""

import argparse
import itertools
import json
import subprocess
import sys
from pathlib import Path

MAX_SIDE_PX = 160
GRADUAL = ("dissolve", "fade_in", "fade_out")
# On the reported clips.
LEAST_F1 = {"cut": 0.97, "gradual": 0.85}


def even(side, scale):
    return max(2, 2 * round(side * scale / 2))


def pipe(path: Path, clip: dict, command: list[str]) -> str:
    """Runs `command` on the clip's frames at the size that cut_analysis asks for."""
    scale = min(1, MAX_SIDE_PX / max(clip["width"], clip["height"]))
    width, height = even(clip["width"], scale), even(clip["height"], scale)
    decode = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-vf", f"scale={width}:{height}:flags=area"]
    decode += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    with subprocess.Popen(decode, stdout=subprocess.PIPE) as decoder:
        flags = ["--width", str(width), "--height", str(height), "--fps", str(clip["fps"])]
        return subprocess.run(command + flags, stdin=decoder.stdout, check=True, capture_output=True, text=True).stdout


def ours(path: Path, clip: dict, command: list[str], step: int = 1) -> list[dict]:
    result = json.loads(pipe(path, clip, [*command, "--step", str(step)]))
    found = []
    for transition in result.get("transitions", []):
        start, end = (round(float(transition[key].rstrip("s")) * clip["fps"]) for key in ("startOffset", "endOffset"))
        kind = {"HARD_CUT": "cut"}.get(transition["kind"], transition["kind"].lower())
        found.append({"kind": kind, "start": start, "end": end})
    return found


class Counts:
    def __init__(self):
        self.hit = self.missed = self.false = 0

    def add(self, other):
        self.hit += other.hit
        self.missed += other.missed
        self.false += other.false

    @property
    def precision(self):
        return self.hit / max(1, self.hit + self.false)

    @property
    def recall(self):
        return self.hit / max(1, self.hit + self.missed)

    @property
    def f1(self):
        return 2 * self.hit / max(1, 2 * self.hit + self.missed + self.false)


def iou(a, b):
    overlap = min(a["end"], b["end"]) - max(a["start"], b["start"])
    return max(0, overlap) / max(1, max(a["end"], b["end"]) - min(a["start"], b["start"]))


def match(labels, found, fits):
    """Pairs by falling goodness, one to one. `fits` gives a goodness, or 0."""
    pairs = [(fits(a, b), i, j) for i, a in enumerate(labels) for j, b in enumerate(found)]
    counts, used_labels, used_found, hits = Counts(), set(), set(), []
    for goodness, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if goodness > 0 and i not in used_labels and j not in used_found:
            used_labels.add(i)
            used_found.add(j)
            hits.append((labels[i], found[j]))
    counts.hit = len(hits)
    counts.missed = len(labels) - len(hits)
    counts.false = len(found) - len(hits)
    missed = [label for i, label in enumerate(labels) if i not in used_labels]
    false = [item for j, item in enumerate(found) if j not in used_found]
    return counts, missed, false


def score(clip, found, step=1):
    """Counts of cuts, of gradual transitions, and of each gradual kind; and what went wrong."""
    labels = clip["transitions"]
    cut_labels = [t for t in labels if t["kind"] == "cut"]
    gradual_labels = [t for t in labels if t["kind"] != "cut"]
    cuts = [t for t in found if t["kind"] == "cut"]
    gradual = [t for t in found if t["kind"] != "cut"]
    out, wrong = {}, []
    # Sampled sparsely, the first frame seen of a new shot is up to a step late.
    out["cut"], missed, false = match(
        cut_labels,
        cuts,
        lambda a, b: 1 / (1 + abs(a["start"] - b["start"])) if -1 <= b["start"] - a["start"] <= step else 0,
    )
    wrong += [("missed", t) for t in missed] + [("false", t) for t in false]
    out["gradual"], missed, false = match(gradual_labels, gradual, lambda a, b: iou(a, b) if iou(a, b) >= 0.5 else 0)
    wrong += [("missed", t) for t in missed] + [("false", t) for t in false]
    for kind in GRADUAL:
        same = [[t for t in side if t["kind"] == kind] for side in (gradual_labels, gradual)]
        out[kind], _, _ = match(*same, lambda a, b: iou(a, b) if iou(a, b) >= 0.5 else 0)
    return out, wrong


def score_places(clip, places):
    """The same for a peer's places."""
    labels = clip["transitions"]
    gradual = [t for t in labels if t["kind"] != "cut"]

    def inside(place, t):
        return t["start"] - 2 <= place <= t["end"] + 2

    cut_labels = [t for t in labels if t["kind"] == "cut"]
    cuts = [{"start": place} for place in places if not any(inside(place, t) for t in gradual)]
    out = {
        "cut": match(cut_labels, cuts, lambda a, b: float(abs(a["start"] - b["start"]) <= 1))[0],
        "gradual": Counts(),
    }
    out["gradual"].hit = sum(any(inside(place, t) for place in places) for t in gradual)
    out["gradual"].missed = len(gradual) - out["gradual"].hit
    out["gradual"].false = 0
    # A place near no label at all is a false one for both.
    return out


def peer_detectors():
    """Every parameter set of the peers that is tried on the tuning clips."""
    from scenedetect.detectors import AdaptiveDetector, ContentDetector

    made = {}
    for threshold, shortest in itertools.product((21, 24, 27, 30, 33, 37, 42, 50, 60, 75, 90, 110), (3, 8, 15)):
        made[f"content threshold={threshold} min_scene_len={shortest}"] = (
            lambda threshold=threshold, shortest=shortest: ContentDetector(threshold=threshold, min_scene_len=shortest)
        )
    for ratio, least, shortest in itertools.product(
        (2.0, 3.0, 4.0, 5.0, 7.0, 9.0, 12.0), (15, 30, 45, 60, 75, 90), (3, 8)
    ):
        made[f"adaptive adaptive_threshold={ratio} min_content_val={least} min_scene_len={shortest}"] = (
            lambda ratio=ratio, least=least, shortest=shortest: AdaptiveDetector(
                adaptive_threshold=ratio, min_content_val=least, min_scene_len=shortest, window_width=2
            )
        )
    return made


def peer_places(path: Path, makers: dict) -> dict:
    """Places that each detector reports. The score of a frame is calculated once and shared by all of them."""
    from scenedetect import open_video

    detectors = {name: make() for name, make in makers.items()}
    source = next(iter(detectors.values()))
    calculate = source._calculate_frame_score
    shared = {}
    for detector in detectors.values():
        detector._calculate_frame_score = lambda *_args, **_kwargs: shared["score"]
    places = {name: set() for name in detectors}
    video = open_video(str(path))
    while (frame := video.read()) is not False:
        shared["score"] = calculate(video.position, frame)
        for name, detector in detectors.items():
            detector._frame_score = shared["score"]
            places[name].update(cut.frame_num for cut in detector.process_frame(video.position, frame))
        end = video.position
    for name, detector in detectors.items():
        places[name].update(cut.frame_num for cut in detector.post_process(end))
    return {name: sorted(found) for name, found in places.items()}


def evaluate_peers(root: Path, clips: list[dict]) -> dict:
    """The best content and adaptive parameters on the tuning clips, and what they get on the test clips."""
    makers = peer_detectors()
    totals = {name: {key: Counts() for key in ("cut", "gradual")} for name in makers}
    for clip in (c for c in clips if c["split"] == "tune"):
        for name, places in peer_places(root / clip["file"], makers).items():
            for key, counts in score_places(clip, places).items():
                totals[name][key].add(counts)
    out = {}
    for family in ("content", "adaptive"):
        best = max((n for n in makers if n.startswith(family)), key=lambda n: totals[n]["cut"].f1)
        out[f"PySceneDetect {best}"] = {"tune": totals[best], "test": {key: Counts() for key in ("cut", "gradual")}}
    chosen = {name: makers[name.removeprefix("PySceneDetect ")] for name in out}
    # One at a time keeps the content and the adaptive score apart.
    for clip in (c for c in clips if c["split"] == "test"):
        for name, places in peer_places(root / clip["file"], chosen).items():
            for key, counts in score_places(clip, places).items():
                out[name]["test"][key].add(counts)
    return out


def evaluate_network(root: Path, clips: list[dict], command: list[str]) -> dict:
    """TransNetV2 alone, as a peer."""
    out = {split: {key: Counts() for key in ("cut", "gradual")} for split in ("tune", "test")}
    for clip in clips:
        places = [t["start"] for t in ours(root / clip["file"], clip, [*command, "--method", "network"])]
        for key, counts in score_places(clip, places).items():
            out[clip["split"]][key].add(counts)
    return {"TransNetV2 alone": out}


def evaluate_ours(root: Path, clips: list[dict], command: list[str], step: int, verbose: bool) -> dict:
    out = {split: {key: Counts() for key in ("cut", "gradual", *GRADUAL)} for split in ("tune", "test")}
    false_in_negatives = {}
    for clip in clips:
        counts, wrong = score(clip, ours(root / clip["file"], clip, command, step), step)
        for key, value in counts.items():
            out[clip["split"]][key].add(value)
        if clip["group"] == "negatives":
            key = (clip["split"], clip["kind"])
            cuts, gradual = false_in_negatives.get(key, (0, 0))
            false_in_negatives[key] = (cuts + counts["cut"].false, gradual + counts["gradual"].false)
        if verbose:
            for what, transition in wrong:
                print(clip["file"], what, transition["kind"], transition["start"], transition["end"])
    out["negatives"] = false_in_negatives
    return out


def row(name, counts):
    return (
        f"| {name} | {counts.hit + counts.missed} | {counts.hit} | {counts.false} | {counts.precision:.3f} "
        f"| {counts.recall:.3f} | {counts.f1:.3f} |"
    )


def false_alarms(own, split) -> str:
    return ", ".join(
        f"{kind} {cuts}, {gradual}" for (s, kind), (cuts, gradual) in sorted(own["negatives"].items()) if s == split
    )


def report(clips, own, neural, peers) -> str:
    head = "| | labelled | found | false | precision | recall | F1 |\n|---|---|---|---|---|---|---|"
    lines = []
    for split in ("test", "tune"):
        mine = [c for c in clips if c["split"] == split]
        if not mine:
            continue
        negatives = sum(c["frames"] / c["fps"] for c in mine if c["group"] == "negatives") / 60
        title = {"test": "Reported: pieces never tuned on, parameters frozen", "tune": "Tuning pieces"}[split]
        lines += [f"## {title}", "", f"{len(mine)} clips; {negatives:.1f} minutes of hard negatives.", "", head]
        lines += [
            row({"cut": "hard cuts", "gradual": "**gradual, pooled**"}.get(k, k.replace("_", " ")), own[split][k])
            for k in ("cut", "gradual", *GRADUAL)
        ]
        if neural:
            lines += [
                row(
                    {"cut": "with the network: hard cuts", "gradual": "**with the network: gradual, pooled**"}.get(
                        k, k
                    ),
                    c,
                )
                for k, c in ((k, neural[split][k]) for k in ("cut", "gradual"))
            ]
            lines += [row(f"with the network: {k.replace('_', ' ')}", neural[split][k]) for k in GRADUAL]
        for name, counts in peers.items():
            lines += [row(f"{name}: cuts", counts[split]["cut"])]
            found = counts[split]["gradual"]
            lines += [
                f"| {name.split(' threshold')[0].split(' adaptive_')[0]}: gradual, any place inside counts "
                f"| {found.hit + found.missed} | {found.hit} | | | {found.recall:.3f} | |"
            ]
        lines += ["", f"False alarms in the hard negatives (cuts, gradual): {false_alarms(own, split)}."]
        lines += [f"With the network: {false_alarms(neural, split)}."] if neural else []
        lines += [""]
    return "\n".join(lines)


def report_misses(own, neural, peers) -> list[str]:
    """What the reported clips fall short of; printed as well."""
    test = own["test"]
    misses = [
        f"F1 of {key} is {test[key].f1:.3f}, wants {least}" for key, least in LEAST_F1.items() if test[key].f1 < least
    ]
    misses += [
        f"F1 of {key} with the network is {neural['test'][key].f1:.3f}, wants {least}"
        for key, least in LEAST_F1.items()
        if neural and neural["test"][key].f1 < least
    ]
    misses += [f"cuts: {name} is better" for name, counts in peers.items() if counts["test"]["cut"].f1 > test["cut"].f1]
    for miss in misses:
        print(f"missed: {miss}")
    return misses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", type=Path)
    parser.add_argument("--program", default="build/release/bin/cut_evaluate")
    parser.add_argument("--neural", action="store_true", help="with the network, too, and by the network alone")
    parser.add_argument("--catalog", help="catalogue of models beside the built-in one")
    parser.add_argument("--peers", action="store_true", help="run PySceneDetect too")
    parser.add_argument("--split", choices=["tune", "test"], help="only this one")
    parser.add_argument("--step", type=int, default=1, help="analyse every so many frames")
    parser.add_argument("--verbose", action="store_true", help="print every miss and false alarm")
    parser.add_argument("--report", type=Path, help="write the tables here too")
    flags = parser.parse_args()
    clips = json.loads((flags.set / "labels.json").read_text())["clips"]
    clips = [clip for clip in clips if flags.split in (None, clip["split"])]
    command = [flags.program] + (["--catalog", flags.catalog] if flags.catalog else [])
    own = evaluate_ours(flags.set, clips, command, flags.step, flags.verbose)
    neural, peers = {}, {}
    if flags.neural:
        both = [*command, "--method", "neural"]
        neural = evaluate_ours(flags.set, clips, both, flags.step, flags.verbose)
        peers = evaluate_network(flags.set, clips, command)
    if flags.peers:
        peers |= evaluate_peers(flags.set, clips)
    text = report(clips, own, neural, peers)
    print(text)
    if flags.report:
        flags.report.write_text(
            "# cut_analysis on the labelled set\n\n"
            "Made by `scripts/parity`, which runs `make_set.py` and `evaluate.py`; their heads have the rules.\n\n"
            + text
        )
    return 1 if flags.split != "tune" and report_misses(own, neural, peers) else 0


if __name__ == "__main__":
    sys.exit(main())
