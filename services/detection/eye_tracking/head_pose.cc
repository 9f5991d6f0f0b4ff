// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/head_pose.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "opencv2/core.hpp"
#include "services/detection/eye_tracking/canonical_face.h"

namespace reelsight::eye_tracking {
namespace {

constexpr double kDegrees = 180 / std::numbers::pi;

// The mesh's point in the axes of Vector3, in pixels.
cv::Vec3d Seen(const FaceMesh& mesh, int index) {
  const Point3& point = mesh.points[static_cast<size_t>(index)];
  return {point.x, -point.y, -point.z};
}

}  // namespace

double YawDegrees(const Vector3& direction) { return kDegrees * std::atan2(direction[0], direction[2]); }

double PitchDegrees(const Vector3& direction) {
  return kDegrees * std::atan2(direction[1], std::hypot(direction[0], direction[2]));
}

// Rodrigues' formula.
Vector3 TurnAround(const Vector3& vector, const Vector3& axis, double degrees) {
  const double cosine = std::cos(degrees / kDegrees), sine = std::sin(degrees / kDegrees);
  const double along = axis[0] * vector[0] + axis[1] * vector[1] + axis[2] * vector[2];
  const Vector3 across = {axis[1] * vector[2] - axis[2] * vector[1], axis[2] * vector[0] - axis[0] * vector[2],
                          axis[0] * vector[1] - axis[1] * vector[0]};
  Vector3 turned;
  for (int i = 0; i < 3; ++i) turned[i] = cosine * vector[i] + sine * across[i] + (1 - cosine) * along * axis[i];
  return turned;
}

double HeadPose::roll_degrees() const {
  // axes = turn around y by yaw, around x by -pitch, around z by -roll. The first two make `right` of (1, 0, 0), and
  // `up` of (0, 1, 0).
  const double yaw = yaw_degrees() / kDegrees, pitch = pitch_degrees() / kDegrees;
  const Vector3 right = {std::cos(yaw), 0, -std::sin(yaw)};
  const Vector3 up = {-std::sin(yaw) * std::sin(pitch), std::cos(pitch), -std::cos(yaw) * std::sin(pitch)};
  const Vector3& left_of_person = axes[0];
  const auto dot = [&](const Vector3& other) {
    return left_of_person[0] * other[0] + left_of_person[1] * other[1] + left_of_person[2] * other[2];
  };
  return -kDegrees * std::atan2(dot(up), dot(right));
}

Vector3 HeadPose::Turn(const Vector3& canonical) const {
  Vector3 turned = {};
  for (int i = 0; i < 3; ++i) {
    for (int k = 0; k < 3; ++k) turned[k] += axes[i][k] * canonical[i];
  }
  return turned;
}

std::optional<HeadPose> FitHeadPose(const FaceMesh& mesh) {
  double total = 0;
  cv::Vec3d canonical_mean, seen_mean;
  for (const CanonicalPoint& point : kCanonicalFace) {
    total += point.weight;
    canonical_mean += point.weight * cv::Vec3d(point.x_cm, point.y_cm, point.z_cm);
    seen_mean += point.weight * Seen(mesh, point.mesh_index);
  }
  canonical_mean /= total;
  seen_mean /= total;
  cv::Matx33d covariance = cv::Matx33d::zeros();
  double spread = 0;
  for (const CanonicalPoint& point : kCanonicalFace) {
    const cv::Vec3d canonical = cv::Vec3d(point.x_cm, point.y_cm, point.z_cm) - canonical_mean;
    const cv::Vec3d seen = Seen(mesh, point.mesh_index) - seen_mean;
    covariance += point.weight * (seen * canonical.t());
    spread += point.weight * canonical.dot(canonical);
  }
  cv::Vec3d values;
  cv::Matx33d u, vt;
  cv::SVD::compute(covariance, values, u, vt);
  if (!(values[1] > 0)) return std::nullopt;
  // A rotation, never a reflection.
  const double sign = cv::determinant(u) * cv::determinant(vt) < 0 ? -1 : 1;
  const cv::Matx33d rotation = u * cv::Matx33d::diag({1, 1, sign}) * vt;
  HeadPose pose;
  pose.px_per_cm = (values[0] + values[1] + sign * values[2]) / spread;
  for (int i = 0; i < 3; ++i) {
    for (int k = 0; k < 3; ++k) pose.axes[i][k] = rotation(k, i);
  }
  return pose;
}

}  // namespace reelsight::eye_tracking
