// SPDX-License-Identifier: Apache-2.0
//
// Masks as callers get them: smaller than the picture, as PNG files or run lengths.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/analysis/image.h"

namespace reelsight::background_segmentation {

// One byte a pixel, row by row.
struct GreyImage {
  analysis::ImageSize size;
  std::vector<uint8_t> pixels;
};

// `image` with its longest side at most `max_side_px`, which is at least 1; never enlarged. Pixels become means.
GreyImage ShrinkByMean(const GreyImage& image, int max_side_px);
// The same for labels: each pixel is the one nearest to its centre.
GreyImage ShrinkByNearest(const GreyImage& image, int max_side_px);

// A PNG file, 8-bit grey. INTERNAL if libpng refuses.
absl::StatusOr<std::string> EncodePng(const GreyImage& image);
// Run lengths of what is at least 128 (foreground) and what is not, background first; the first may be 0.
std::vector<int32_t> EncodeRunLengths(const GreyImage& image);

}  // namespace reelsight::background_segmentation
