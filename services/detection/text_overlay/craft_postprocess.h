// SPDX-License-Identifier: Apache-2.0
//
// From the maps of CRAFT (Baek et al., Character Region Awareness for Text Detection, 2019) to words, and from words to
// lines, as CRAFT's authors and EasyOCR 1.7 do it. Not a detector: it runs no network.
#pragma once

#include <span>
#include <vector>

#include "services/detection/text_overlay/text_region.h"

namespace reelsight::text_overlay {

// EasyOCR's defaults.
struct CraftOptions {
  // A word has at least one pixel of the region map as strong, in [0, 1].
  float text_threshold = 0.7F;
  // Pixels of the affinity map over it join characters, in [0, 1].
  float link_threshold = 0.4F;
  // Pixels of the region map over it are text, in [0, 1].
  float low_text = 0.4F;
};

// Words in pixels of the maps. Both maps hold width_px * height_px values, row by row. The score is the strongest value
// of the region map.
std::vector<TextRegion> FindCraftWords(std::span<const float> region_map, std::span<const float> affinity_map,
                                       int width_px, int height_px, const CraftOptions& options);

// A line of text, to be cut out.
struct CraftLine {
  // If upright, an axis-aligned box of whole pixels, which may reach beyond the picture.
  Quad quad;
  bool upright = true;
};

// Words joined to lines: upright ones beside each other and of about one height. Words in whole pixels of the picture.
// Upright lines from top to bottom, then slanted words. Lines without a side of more than 20 pixels are dropped.
std::vector<CraftLine> GroupCraftWords(const std::vector<Quad>& words);

}  // namespace reelsight::text_overlay
