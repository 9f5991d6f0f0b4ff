// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/gaze.h"

#include <algorithm>
#include <cmath>

namespace reelsight::eye_tracking {
namespace {

// Points of the lower lid that have a partner above: the outer, the middle and the inner one. The point above `i` is
// 8 + i.
constexpr int kLidPoints[] = {2, 4, 6};
constexpr int kAbove = 8;
// A head that is turned further shows so little of the eye's width that dividing by it says nothing.
constexpr double kLeastCosine = 0.5;
// How far beyond the eyeball's rim an iris may be measured and still count as looking along the rim.
constexpr double kRimTolerance = 1.1;

}  // namespace

double EyeOpenness(const Eye& eye, const HeadPose& pose) {
  double distance_px = 0;
  for (const int i : kLidPoints) {
    distance_px +=
        std::hypot(eye.contour[kAbove + i].x - eye.contour[i].x, eye.contour[kAbove + i].y - eye.contour[i].y);
  }
  distance_px /= std::size(kLidPoints);
  // What is left of the head's own horizontal in the picture.
  const double cosine = std::max(std::hypot(pose.axes[0][0], pose.axes[0][1]), kLeastCosine);
  const double width_px = eye.WidthPx() / cosine;
  return width_px > 0 ? std::clamp(distance_px / width_px / kWideOpenRatio, 0.0, 1.0) : 0;
}

std::optional<Vector3> EyeGaze(const Eye& eye, bool left, const HeadPose& pose) {
  const Vector3 back = pose.Turn({0, 0, -kEyeballDepthCm});
  const double center_x = 0.5 * (eye.contour[0].x + eye.contour[8].x) + back[0] * pose.px_per_cm;
  const double center_y = 0.5 * (eye.contour[0].y + eye.contour[8].y) - back[1] * pose.px_per_cm;
  double x = (eye.iris[0].x - center_x) / (pose.px_per_cm * kPupilRadiusCm);
  double y = (center_y - eye.iris[0].y) / (pose.px_per_cm * kPupilRadiusCm);
  const double length = std::hypot(x, y);
  if (!(length <= kRimTolerance)) return std::nullopt;
  if (length > 1) {
    x /= length;
    y /= length;
  }
  const Vector3 through_pupil = {x, y, std::sqrt(std::max(0.0, 1 - x * x - y * y))};
  // Around the head's upward axis, counterclockwise is towards the person's left.
  const Vector3 sight = TurnAround(through_pupil, pose.axes[1], left ? -kVisualAxisDegrees : kVisualAxisDegrees);
  if (sight[2] <= 0) return std::nullopt;
  return sight;
}

}  // namespace reelsight::eye_tracking
