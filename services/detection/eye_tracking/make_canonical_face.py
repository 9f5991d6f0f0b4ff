#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes canonical_face.h: the points of MediaPipe's canonical face model that head pose is fitted to.

They come from geometry_pipeline_metadata_landmarks.binarypb (Apache-2.0), which lies in the npm package
@mediapipe/face_mesh 0.4.1657299874 among the packed assets, and whose schema is in the package mediapipe 0.10.21:

    npm pack @mediapipe/face_mesh@0.4.1657299874 && tar xzf mediapipe-face_mesh-*.tgz
    python make_canonical_face.py package > canonical_face.h
"""

import json
import re
import sys
from pathlib import Path

from mediapipe.modules.face_geometry.protos import geometry_pipeline_metadata_pb2

METADATA = "geometry_pipeline_metadata_landmarks.binarypb"
VERTEX_VALUES = 5  # x, y, z, and two of the texture

HEADER = """// SPDX-License-Identifier: Apache-2.0
//
// Made by make_canonical_face.py from MediaPipe's canonical face model (Copyright The MediaPipe Authors, Apache-2.0):
// the points of a face that keep their places when it speaks, and how much each counts in a fit of the head's pose.
// Centimetres; x grows to the person's left, y upwards, z out of the face.
#pragma once

#include <array>

namespace reelsight::eye_tracking {

struct CanonicalPoint {
  int mesh_index;
  double weight;
  double x_cm, y_cm, z_cm;
};

// clang-format off
"""

FOOTER = """// clang-format on

}  // namespace reelsight::eye_tracking
"""


def read_metadata(package: Path):
    loader = (package / "face_mesh_solution_packed_assets_loader.js").read_text()
    files = json.loads(re.search(r'"files": (\[.*?\])', loader).group(1))
    entry = next(file for file in files if file["filename"].endswith(METADATA))
    packed = (package / "face_mesh_solution_packed_assets.data").read_bytes()
    metadata = geometry_pipeline_metadata_pb2.GeometryPipelineMetadata()
    metadata.ParseFromString(packed[entry["start"] : entry["end"]])
    return metadata


def main() -> None:
    metadata = read_metadata(Path(sys.argv[1]))
    vertices = metadata.canonical_mesh.vertex_buffer
    basis = metadata.procrustes_landmark_basis
    print(HEADER, end="")
    print(f"inline constexpr std::array<CanonicalPoint, {len(basis)}> kCanonicalFace = {{{{")
    for point in basis:
        x, y, z = vertices[VERTEX_VALUES * point.landmark_id : VERTEX_VALUES * point.landmark_id + 3]
        print(f"    {{{point.landmark_id}, {point.weight:.6f}, {x:.5f}, {y:.5f}, {z:.5f}}},")
    print("}};")
    print(FOOTER, end="")


if __name__ == "__main__":
    main()
