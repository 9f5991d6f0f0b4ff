// SPDX-License-Identifier: Apache-2.0
//
// How unlike two frames are, given what may differ within one shot: the camera moved, things moved, the light changed.
// It judges a pair only; what a pair means in its series is the detectors' business.
#pragma once

#include "services/lightweight/cut_analysis/frame_features.h"

namespace reelsight::cut_analysis {

// Every member is symmetric only roughly: `b` is explained from `a`.
struct Match {
  // Mean absolute difference of the grids as they are, luma plus half of chroma, in levels.
  float plain = 0;
  // The same after each block of `b` was looked for in `a`, near its place and near the global shift.
  float residual = 0;
  // Share of the blocks of `b` that are not found in `a`, in [0, 1].
  float unexplained = 0;
  // Highest correlation of the luma grids over global shifts of up to 60% of the picture, in [-1, 1], lessened by the
  // part that does not overlap. 1 for equal pictures; 0 where one of the two is blank and the other is not.
  float correlation = 1;
  // L1 distance of the histograms, in [0, 1].
  float histogram = 0;
};

// What blocks found in place say; see Match.
struct BlockMatch {
  float residual = 0;
  float unexplained = 0;
};

// Cheap: `plain` alone.
float PlainDifference(const FrameFeatures& a, const FrameFeatures& b);
// L1 distance of the histograms, in [0, 1], with neighbouring bins pooled so that a shift by a level costs little.
float HistogramDistance(const FrameFeatures& a, const FrameFeatures& b);
// Blocks looked for near their places only: neither value is below that of CompareFrames, which also looks near the
// global shift.
BlockMatch MatchInPlace(const FrameFeatures& a, const FrameFeatures& b);
// All of it, several times the work of MatchInPlace. Frames of unlike grids have nothing in common.
Match CompareFrames(const FrameFeatures& a, const FrameFeatures& b);

// Standard deviation of the luma grid, in levels.
float Contrast(const FrameFeatures& features);
// Mean of the luma grid, in levels.
float Brightness(const FrameFeatures& features);

}  // namespace reelsight::cut_analysis
