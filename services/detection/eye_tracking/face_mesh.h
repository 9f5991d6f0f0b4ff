// SPDX-License-Identifier: Apache-2.0
//
// Where MediaPipe's face mesh and iris networks look, and what they put out. Not the networks: see face_finder.h.
//
// Geometry after MediaPipe's graphs face_landmark_front, face_landmark and iris_landmark_left_and_right: the mesh's
// region is the detector's box, 1.5 times as large, upright by the eyes; an eye's region is that of its two corners,
// 2.3 times as large, and the eye on the right of the picture is mirrored [Kartynnik et al., Real-time Facial Surface
// Geometry, 2019; Ablavatski et al., Real-time Pupil Tracking, 2020].
#pragma once

#include <array>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "services/detection/eye_tracking/face_detector.h"
#include "services/detection/eye_tracking/region.h"
#include "shared/inference/tensor.h"

namespace reelsight::eye_tracking {

// Sides of the square inputs. They take values in [0, 1].
inline constexpr int kMeshInputPx = 192;
inline constexpr int kIrisInputPx = 64;

// Indexes into the mesh.
inline constexpr int kMeshPoints = 468;
inline constexpr int kRightEyeOuter = 33, kRightEyeInner = 133;
inline constexpr int kLeftEyeInner = 362, kLeftEyeOuter = 263;
inline constexpr int kRightCheek = 234, kLeftCheek = 454;

// Surface of a face: 468 points in pixels of the picture.
struct FaceMesh {
  std::vector<Point3> points;
  // Probability that the region holds a face.
  float presence = 0;

  // Smallest box around the points.
  inference::Box Bounds() const;
};

// One eye in pixels of the picture.
struct Eye {
  // Outline of the lids: 0 is the outer corner, 1 to 7 the lower lid, 8 the inner corner, 9 to 15 the upper lid from
  // the outer side to the inner one: 8 + i lies above i.
  static constexpr int kContourPoints = 16;
  std::array<Point3, kContourPoints> contour;
  // 0 is the centre; 1 and 3 are its sides, 2 its upper and 4 its lower edge.
  static constexpr int kIrisPoints = 5;
  std::array<Point3, kIrisPoints> iris;

  // Distance of the corners in the picture.
  double WidthPx() const;
};

Region MeshRegion(const DetectedFace& face);
// Where to look again, once there is a mesh [MediaPipe: face_landmark_landmarks_to_roi]. REQUIRES: mesh.points is
// whole.
Region MeshRegion(const FaceMesh& mesh);
// `left`: the person's own left eye. REQUIRES: mesh.points is whole.
Region EyeRegion(const FaceMesh& mesh, bool left);

// `outputs`: f32 points with kMeshPoints x 3 values in input pixels, and one presence logit. INTERNAL,
// INVALID_MODEL_OUTPUT, naming the shapes, if they are not.
absl::StatusOr<FaceMesh> DecodeMesh(std::span<const inference::Tensor> outputs, const Region& region);
// `outputs`: f32 71 x 3 values of contours and brow, and 5 x 3 of the iris. Errors as above.
absl::StatusOr<Eye> DecodeEye(std::span<const inference::Tensor> outputs, const Region& region);

}  // namespace reelsight::eye_tracking
