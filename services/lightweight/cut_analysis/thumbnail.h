// SPDX-License-Identifier: Apache-2.0
//
// What the neural cut detector keeps of one frame: the picture at the size that TransNetV2 sees.
#pragma once

#include <array>
#include <string>

#include "services/lightweight/cut_analysis/frame_features.h"

namespace reelsight::cut_analysis {

inline constexpr int kThumbnailWidthPx = 48;
inline constexpr int kThumbnailHeightPx = 27;
inline constexpr size_t kThumbnailBytes = size_t{3} * kThumbnailWidthPx * kThumbnailHeightPx;

// The whole picture at 48x27, whatever its aspect ratio; red, green and blue in 0..255, row by row. A cell is the mean
// of its pixels.
std::string MakeThumbnail(const I420View& image);

}  // namespace reelsight::cut_analysis
