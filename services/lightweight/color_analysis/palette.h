// SPDX-License-Identifier: Apache-2.0
//
// Dominant colours: weighted k-means in CIELAB over the cells of a histogram.
#pragma once

#include <span>
#include <vector>

#include "services/lightweight/color_analysis/cielab.h"
#include "services/lightweight/color_analysis/frame_colors.h"

namespace reelsight::color_analysis {

struct PaletteOptions {
  // Clusters at most, at least 1.
  int max_colors = 6;
  // Clusters nearer than this by CIEDE2000 become one. Higher: fewer and more distinct colours.
  float merge_delta_e = 6;
  // Clusters with a smaller share are left out, but for the largest one.
  float min_share = 0.01f;
};

struct PaletteColor {
  // Mean of the cluster.
  Lab mean;
  // Share of the pixels, in (0, 1].
  double share = 0;
};

// Largest share first; empty if there are no cells. k-means++ with a fixed seed and several starts, of which the
// tightest wins; so equal input gives equal output.
std::vector<PaletteColor> FindPalette(std::span<const ColorCell> cells, const PaletteOptions& options);

}  // namespace reelsight::color_analysis
