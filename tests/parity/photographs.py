# SPDX-License-Identifier: Apache-2.0
"""Photographs that come with pinned packages, so that the parity scripts commit none; and what the program finds in
one picture."""

import importlib.util
import json
import pathlib
import subprocess
import tempfile

import cv2
import numpy as np

PACKAGED = {
    "skimage": [
        "astronaut.png",
        "brick.png",
        "camera.png",
        "chelsea.png",
        "coffee.png",
        "coins.png",
        "gravel.png",
        "motorcycle_left.png",
        "rocket.jpg",
    ],
}


def package_folder(package: str) -> pathlib.Path:
    """Where a package is installed. It is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"package {package} is missing; install scripts/requirements/parity.txt")
    return pathlib.Path(spec.submodule_search_locations[0])


def load(more: list[pathlib.Path], color: bool = False) -> list[np.ndarray]:
    """The packaged photographs, then those of `more`, as gray or RGB pictures."""
    paths = [package_folder(package) / "data" / name for package, names in PACKAGED.items() for name in names]
    photos = []
    for path in [*paths, *more]:
        photo = cv2.imread(str(path), cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE)
        if photo is None:
            raise RuntimeError(f"cannot read {path}")
        photos.append(photo[..., ::-1] if color else photo)
    return photos


def asset(name: str) -> np.ndarray:
    """A packaged photograph as BGR: a PNG of scikit-image, a JPEG of ultralytics."""
    folder = package_folder("skimage") / "data" if name.endswith(".png") else package_folder("ultralytics") / "assets"
    picture = cv2.imread(str(folder / name))
    if picture is None:
        raise RuntimeError(f"cannot read {folder / name}")
    return picture


def frame(clip: str, index: int) -> np.ndarray:
    """A frame of a sample clip as BGR, counted from 0."""
    video = cv2.VideoCapture(f".deps/media/{clip}")
    for _ in range(index + 1):
        read, picture = video.read()
        if not read:
            raise RuntimeError(f"cannot read frame {index} of {clip}")
    return picture


def named(name: str) -> np.ndarray:
    """A packaged photograph, or a frame of a clip by `CLIP, frame INDEX`; BGR."""
    clip, _, index = name.partition(", frame ")
    return frame(clip, int(index)) if index else asset(name)


def analyze(picture: np.ndarray, program: pathlib.Path, analyzer: str, *options: str) -> dict:
    """The analyzer's result, as in the JSON document, of a clip of that one picture. `options`: KEY=VALUE."""
    height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    with tempfile.TemporaryDirectory() as folder:
        clip = f"{folder}/picture.mp4"
        encode = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}", "-i", "-"]
        encode += ["-c:v", "libx264", "-crf", "8", "-pix_fmt", "yuv420p", clip]
        subprocess.run(encode, input=np.ascontiguousarray(picture[:height, :width]).tobytes(), check=True)
        command = [program, "analyze", clip, "--analyzers", analyzer, "--format", "json", "--quiet"]
        for option in options:
            command += ["--option", f"{analyzer}.{option}"]
        document = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=600).stdout)
    return document["results"][0]
