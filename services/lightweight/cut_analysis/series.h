// SPDX-License-Identifier: Apache-2.0
//
// The frames of one uninterrupted series as the classical detectors look at them.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "services/lightweight/cut_analysis/frame_features.h"

namespace reelsight::cut_analysis {

// A frame of a series, with what is asked of it again and again.
struct SeriesFrame {
  absl::Duration offset;
  FrameFeatures features;
  // Standard deviation and mean of the luma grid, in levels.
  float contrast = 0;
  float brightness = 0;
};

// Makes a series of the frames at `offsets`. Black borders that all frames share are cut off the grids, so that bars
// above and below do not hide what happens between them. The histograms stay whole.
std::vector<SeriesFrame> MakeSeries(const std::vector<absl::Duration>& offsets, std::vector<FrameFeatures> features);

}  // namespace reelsight::cut_analysis
