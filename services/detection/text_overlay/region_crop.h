// SPDX-License-Identifier: Apache-2.0
//
// Regions cut out of pictures and laid flat.
#pragma once

#include <opencv2/core.hpp>
#include <vector>

#include "absl/status/statusor.h"
#include "services/detection/text_overlay/text_region.h"
#include "shared/analysis/image.h"

namespace reelsight::text_overlay {

// The pixels of an RGB24 picture, not copied; else INVALID_ARGUMENT, BAD_FRAME.
absl::StatusOr<cv::Mat> AsMat(const analysis::Image& picture);

// The region as PP-OCR cuts it: by a perspective transform, cubic, edges repeated; turned a quarter to the left if it
// is at least 1.5 times as high as wide, so that a line of text lies. At least 1 x 1.
struct FlatCrop {
  cv::Mat pixels;
  // The region, from the top left corner of `pixels`.
  Quad quad;
};
FlatCrop CropFlat(const cv::Mat& picture, const Quad& quad);

// Keeps the kMaxRegions largest regions, in their order; returns how many went.
int KeepLargest(std::vector<TextRegion>* regions);

}  // namespace reelsight::text_overlay
