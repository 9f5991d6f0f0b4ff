// SPDX-License-Identifier: Apache-2.0
//
// From the map of a DB detector (Liao et al., Real-time Scene Text Detection with Differentiable Binarization, 2020) to
// regions, as PP-OCR and RapidOCR do it. Not a detector: it runs no network.
#pragma once

#include <span>
#include <vector>

#include "services/detection/text_overlay/text_region.h"

namespace reelsight::text_overlay {

// RapidOCR's defaults.
struct DbOptions {
  // A pixel of the map over it is text, in [0, 1].
  float threshold = 0.3F;
  // Regions whose mean is lower are dropped, in [0, 1].
  float min_score = 0.5F;
  // Regions grow by area * ratio / perimeter on all sides: the map shows text shrunk.
  float unclip_ratio = 1.6F;
  // Most regions looked at in one map.
  int max_candidates = 1000;
};

// `map` holds width_px * height_px probabilities, row by row; regions come in pixels of a picture of picture_width_px x
// picture_height_px, in reading order: lines from top to bottom, each from left to right.
std::vector<TextRegion> FindDbRegions(std::span<const float> map, int width_px, int height_px, int picture_width_px,
                                      int picture_height_px, const DbOptions& options);

}  // namespace reelsight::text_overlay
