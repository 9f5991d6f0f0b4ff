# SPDX-License-Identifier: Apache-2.0
"""Photographs that come with pinned packages, so that the parity scripts commit none."""

import importlib.util
import pathlib

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
