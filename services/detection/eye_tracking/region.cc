// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/region.h"

#include <algorithm>
#include <cmath>

namespace reelsight::eye_tracking {

inference::Affine Region::ToPicture(int input_px) const {
  const double step = side_px / input_px;
  const double across = mirrored ? -step : step;
  inference::Affine affine;
  affine.a = std::cos(angle_radians) * across;
  affine.b = -std::sin(angle_radians) * step;
  affine.d = std::sin(angle_radians) * across;
  affine.e = std::cos(angle_radians) * step;
  const double half = 0.5 * input_px;
  affine.c = center.x - (affine.a + affine.b) * half;
  affine.f = center.y - (affine.d + affine.e) * half;
  return affine;
}

Region RegionAround(const inference::Box& box, Point start, Point end, double scale) {
  return {.center = {0.5 * (box.left + box.right), 0.5 * (box.top + box.bottom)},
          .side_px = scale * std::max(box.width(), box.height()),
          .angle_radians = std::atan2(end.y - start.y, end.x - start.x)};
}

}  // namespace reelsight::eye_tracking
