// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/face_mesh.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::eye_tracking {
namespace {

using inference::Affine;
using inference::Box;
using inference::Tensor;

constexpr double kFaceScale = 1.5;
constexpr double kEyeScale = 2.3;
// Contours of lids and brow that the iris network gives.
constexpr int kAllContourPoints = 71;

// The output with `count` values. INVALID_MODEL_OUTPUT if there is none.
absl::StatusOr<std::span<const float>> OutputOf(std::span<const Tensor> outputs, int64_t count, const char* network) {
  for (const Tensor& output : outputs) {
    if (output.type() == inference::DType::kFloat32 && output.count() == count) return output.values<float>();
  }
  std::string shapes;
  for (const Tensor& output : outputs) absl::StrAppend(&shapes, " ", inference::ShapeText(output.shape()));
  return MakeError(
      absl::StatusCode::kInternal, Reason::kInvalidModelOutput,
      absl::StrCat("the ", network, " network gave outputs of shape", shapes, "; none has ", count, " values"));
}

// Input pixels to picture pixels; depth is scaled as width is.
Point3 Place(const Affine& affine, double step, const float* values) {
  Point3 point;
  affine.Apply(values[0], values[1], &point.x, &point.y);
  point.z = values[2] * step;
  return point;
}

}  // namespace

Box FaceMesh::Bounds() const {
  Box box = {1e9F, 1e9F, -1e9F, -1e9F};
  for (const Point3& point : points) {
    box.left = std::min(box.left, static_cast<float>(point.x));
    box.top = std::min(box.top, static_cast<float>(point.y));
    box.right = std::max(box.right, static_cast<float>(point.x));
    box.bottom = std::max(box.bottom, static_cast<float>(point.y));
  }
  return box;
}

double Eye::WidthPx() const { return std::hypot(contour[8].x - contour[0].x, contour[8].y - contour[0].y); }

Region MeshRegion(const DetectedFace& face) {
  return RegionAround(face.box, face.keypoints[DetectedFace::kRightEye], face.keypoints[DetectedFace::kLeftEye],
                      kFaceScale);
}

Region MeshRegion(const FaceMesh& mesh) {
  const Point3& start = mesh.points[kRightEyeOuter];
  const Point3& end = mesh.points[kLeftEyeOuter];
  return RegionAround(mesh.Bounds(), {start.x, start.y}, {end.x, end.y}, kFaceScale);
}

Region EyeRegion(const FaceMesh& mesh, bool left) {
  // In the order of the picture, so that the turn is that of the head.
  const Point3& start = mesh.points[left ? kLeftEyeInner : kRightEyeOuter];
  const Point3& end = mesh.points[left ? kLeftEyeOuter : kRightEyeInner];
  const Box box = {static_cast<float>(std::min(start.x, end.x)), static_cast<float>(std::min(start.y, end.y)),
                   static_cast<float>(std::max(start.x, end.x)), static_cast<float>(std::max(start.y, end.y))};
  Region region = RegionAround(box, {start.x, start.y}, {end.x, end.y}, kEyeScale);
  region.mirrored = left;
  return region;
}

absl::StatusOr<FaceMesh> DecodeMesh(std::span<const Tensor> outputs, const Region& region) {
  ASSIGN_OR_RETURN(const std::span<const float> values, OutputOf(outputs, kMeshPoints * 3, "face mesh"));
  ASSIGN_OR_RETURN(const std::span<const float> logit, OutputOf(outputs, 1, "face mesh"));
  const Affine affine = region.ToPicture(kMeshInputPx);
  FaceMesh mesh;
  mesh.presence = 1 / (1 + std::exp(-logit[0]));
  mesh.points.reserve(kMeshPoints);
  for (int i = 0; i < kMeshPoints; ++i) {
    mesh.points.push_back(Place(affine, region.side_px / kMeshInputPx, &values[3 * i]));
  }
  return mesh;
}

absl::StatusOr<Eye> DecodeEye(std::span<const Tensor> outputs, const Region& region) {
  ASSIGN_OR_RETURN(const std::span<const float> contour, OutputOf(outputs, kAllContourPoints * 3, "iris"));
  ASSIGN_OR_RETURN(const std::span<const float> iris, OutputOf(outputs, Eye::kIrisPoints * 3, "iris"));
  const Affine affine = region.ToPicture(kIrisInputPx);
  const double step = region.side_px / kIrisInputPx;
  Eye eye;
  for (int i = 0; i < Eye::kContourPoints; ++i) eye.contour[i] = Place(affine, step, &contour[3 * i]);
  for (int i = 0; i < Eye::kIrisPoints; ++i) eye.iris[i] = Place(affine, step, &iris[3 * i]);
  return eye;
}

}  // namespace reelsight::eye_tracking
