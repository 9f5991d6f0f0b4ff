// SPDX-License-Identifier: Apache-2.0
//
// Made-up shots and what editors do between them. For the tests of this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "shared/analysis/image.h"

namespace reelsight::cut_analysis {

// A picture before it is rounded: planes of 4:2:0 at 160x90.
struct Canvas {
  static constexpr int kWidth = 160;
  static constexpr int kHeight = 90;
  std::vector<float> y;
  std::vector<float> u;
  std::vector<float> v;
};

// A texture of soft blobs in many colours, seen from `x` pixels further right and `y` further down. Every seed is a
// place of its own.
Canvas Texture(uint32_t seed, double x = 0, double y = 0);
// One luma level everywhere.
Canvas Blank(float level);
// (1 - share) a + share b.
Canvas Mix(const Canvas& a, const Canvas& b, float share);
// Luma changed by `levels`.
Canvas Brightened(Canvas canvas, float levels);
// A caption: white stripes in the lower third.
Canvas Captioned(Canvas canvas);

std::shared_ptr<const analysis::Image> ToImage(const Canvas& canvas);

using Pictures = std::vector<std::shared_ptr<const analysis::Image>>;
// Appends `count` pictures of a place, the camera drifting by `speed_px` a picture.
void AppendShot(Pictures& pictures, uint32_t seed, int count, double speed_px = 0.5);
// Appends `count` blended pictures, none of them `from` or `to` alone.
void AppendBlend(Pictures& pictures, const Canvas& from, const Canvas& to, int count);

}  // namespace reelsight::cut_analysis
