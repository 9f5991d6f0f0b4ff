# SPDX-License-Identifier: Apache-2.0
"""Pictures and videos as the tensors that a model takes, for calibration. ffmpeg reads and scales them.

What the analyzers do is close enough to be repeated here: calibration only looks at the ranges of values. It is no
reference of how a model is run.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Frames of a window of TransNetV2.
WINDOW_FRAMES = 100


class CalibrationError(Exception):
    """No calibration is possible. The text is one line: what is wrong, with which input, and what to do."""


@dataclass(frozen=True)
class Preprocessing:
    """How a family takes pictures. `fit`: stretch, letterbox, any (sides in steps of 32, at most 960), line (of text,
    at the file's height) or window (of frames). Mean and scale are those of red, green, blue."""

    fit: str = "stretch"
    mean: tuple = (0.0, 0.0, 0.0)
    scale: tuple = (1.0, 1.0, 1.0)
    bgr: bool = False
    grey: bool = False
    side: int = 0


_UNIT = (1 / 255,) * 3
_SIGNED = {"mean": (127.5,) * 3, "scale": (1 / 127.5,) * 3}
_IMAGENET = {"mean": (123.675, 116.28, 103.53), "scale": (1 / 58.395, 1 / 57.12, 1 / 57.375)}
FAMILIES = {
    "ssd": Preprocessing(),
    "nanodet": Preprocessing(mean=(123.675, 116.28, 103.53), scale=(1 / 58.395, 1 / 57.12, 1 / 57.375), bgr=True),
    "centernet": Preprocessing(),
    "yolov8_detect": Preprocessing("letterbox", scale=_UNIT, side=640),
    "yolov8_pose": Preprocessing("letterbox", scale=_UNIT, side=640),
    "rtdetr": Preprocessing(scale=_UNIT, side=640),
    "segformer": Preprocessing(**_IMAGENET, side=512),
    "selfie": Preprocessing(scale=_UNIT),
    "movenet_multipose": Preprocessing("letterbox"),
    "blazeface_short_range": Preprocessing("letterbox", **_SIGNED),
    "blazeface_full_range": Preprocessing("letterbox", **_SIGNED),
    "blazepose_detection": Preprocessing("letterbox", **_SIGNED),
    "transnetv2": Preprocessing("window"),
    "ppocr_det": Preprocessing("any", **_SIGNED, bgr=True),
    "craft": Preprocessing("any", **_IMAGENET),
    "ppocr_rec": Preprocessing("line", **_SIGNED, bgr=True),
    "crnn": Preprocessing("line", **_SIGNED, grey=True),
}


def preprocessing_of(entry):
    """Of a catalogue entry, whose mean and scale replace those of its family."""
    family = entry["family"]
    if family not in FAMILIES:
        raise CalibrationError(
            f"models of the family {family} cannot be calibrated from pictures; families that can: "
            + ", ".join(sorted(FAMILIES))
        )
    known, given = FAMILIES[family], entry.get("input", {})
    return Preprocessing(
        known.fit,
        tuple(given.get("mean") or known.mean),
        tuple(given.get("scale") or known.scale),
        known.bgr or bool(given.get("bgr")),
        known.grey,
        known.side,
    )


def files_of(paths):
    """The paths, folders replaced by the files in them."""
    files = []
    for path in map(Path, paths):
        if not path.exists():
            raise CalibrationError(f"{path} does not exist")
        files += sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    if not files:
        raise CalibrationError("there are no calibration pictures: name videos, pictures or folders of them")
    return files


def _run(command):
    try:
        return subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise CalibrationError(f"{error.filename} is not installed; run: scripts/setup demo") from error


def _seconds(path):
    """Length of a video, 0 of a picture; None of a file that is neither."""
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "format=duration:stream=codec_type"]
    done = _run([*command, "-of", "json", f"file:{path}"])
    found = json.loads(done.stdout or b"{}")
    if done.returncode != 0 or not found.get("streams"):
        return None
    seconds = float(found.get("format", {}).get("duration", 0))
    return seconds if seconds > 0.05 else 0


def _decode(path, filters, most):
    """At most `most` pictures of a file behind ffmpeg's filters, uint8 [height, width, 3], red first."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", f"file:{path}", "-an", "-sn", "-vf", filters]
    done = _run([*command, "-frames:v", str(most), "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-c:v", "ppm",
                 "-f", "image2pipe", "-"])  # fmt: skip
    pictures, data, at = [], done.stdout, 0
    while at < len(data):
        # A portable pixmap: "P6\nWIDTH HEIGHT\n255\n" and the bytes.
        end = at
        for _ in range(3):
            end = data.index(b"\n", end) + 1
        width, height = map(int, data[at:end].split()[1:3])
        at = end + width * height * 3
        if at > len(data):
            break
        pictures.append(np.frombuffer(data, np.uint8, width * height * 3, end).reshape(height, width, 3))
    if not pictures:
        raise CalibrationError(f"{path} has no picture that ffmpeg reads: {done.stderr.decode(errors='replace')[:200]}")
    return pictures


def _scaling(how, width, height):
    if how.fit == "letterbox":
        within = f"scale={width}:{height}:force_original_aspect_ratio=decrease"
        return f"{within},pad={width}:{height}:(ow-iw)/2:(oh-ih)/2"
    if how.fit == "any":
        side = "max(32,round({}*min(1,960/max(iw,ih))/32)*32)"
        return f"scale=w='{side.format('iw')}':h='{side.format('ih')}'"
    if how.fit == "line":
        return f"scale=w='max(16,round(iw*{height}/ih))':h={height}"
    return f"scale={width}:{height}"


def _tensor(how, picture):
    values = picture.astype(np.float32)
    if how.grey:
        # As OpenCV weighs the channels.
        values = values @ np.array([[0.299], [0.587], [0.114]], np.float32)
    channels = values.shape[2]
    values = (values - np.float32(how.mean[:channels])) * np.float32(how.scale[:channels])
    if how.bgr:
        values = values[:, :, ::-1]
    return np.ascontiguousarray(values.transpose(2, 0, 1))[None]


def tensors(entry, shape, paths, most, say=lambda _text: None):
    """About `most` tensors of the model's one input, spread evenly over the files and over the length of each.

    `shape` is the input's, with 0 for an open side.
    """
    how = preprocessing_of(entry)
    files = files_of(paths)
    if how.fit == "window":
        return _windows(shape, files, most, say)
    if len(shape) != 4 or shape[1] not in (1, 3):
        raise CalibrationError(f"the input has the shape {shape}, not one of pictures [n, channels, height, width]")
    given = entry.get("input", {})
    height = shape[2] or int(given.get("heightPx") or 0) or how.side
    width = shape[3] or int(given.get("widthPx") or 0) or how.side
    if how.fit in ("stretch", "letterbox") and not (height and width):
        raise CalibrationError("neither the file nor the catalogue entry says which size the input has")
    found, skipped = [], []
    # Pictures are one each, so videos share what is left.
    lengths = {file: _seconds(file) for file in files}
    videos = [file for file in files if lengths[file]]
    still = [file for file in files if lengths[file] == 0][:most]
    skipped = [file for file in files if lengths[file] is None]
    share = max(1, round((most - len(still)) / len(videos))) if videos else 0
    for count, file in enumerate([*still, *videos], 1):
        filters = _scaling(how, width, height)
        if lengths[file]:
            filters = f"fps={share / lengths[file]:.6f}:round=down,{filters}"
        found += [_tensor(how, picture) for picture in _decode(file, filters, share if lengths[file] else 1)]
        say(f"pictures: {len(found)} from {count} of {len(still) + len(videos)} files")
    for file in skipped:
        say(f"{file} is left out: neither a picture nor a video")
    if not found:
        raise CalibrationError("there are no calibration pictures in what was named: no picture or video among it")
    return found


def _windows(shape, files, most, say):
    """Windows of consecutive frames [1, 100, height, width, 3], uint8, the first ones of evenly spread places."""
    height, width = shape[2] or 27, shape[3] or 48
    found = []
    videos = [file for file in files if _seconds(file)]
    if not videos:
        raise CalibrationError("there are no calibration videos: this model looks at a hundred frames at once")
    share = max(1, round(most / len(videos)))
    for count, file in enumerate(videos, 1):
        # 4 kB a frame; ten minutes are 70 MB.
        frames = np.stack(_decode(file, f"scale={width}:{height}", 18000))
        if len(frames) < WINDOW_FRAMES:
            frames = np.concatenate([frames, np.repeat(frames[-1:], WINDOW_FRAMES - len(frames), axis=0)])
        last = len(frames) - WINDOW_FRAMES
        starts = sorted({round(start) for start in np.linspace(0, last, min(share, last // 25 + 1))})
        found += [frames[None, start : start + WINDOW_FRAMES] for start in starts]
        say(f"windows: {len(found)} from {count} of {len(videos)} videos")
    return found
