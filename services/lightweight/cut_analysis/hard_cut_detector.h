// SPDX-License-Identifier: Apache-2.0
//
// Hard cuts in a series of frame records. Gradual transitions are the business of GradualDetector.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "services/lightweight/cut_analysis/series.h"

namespace reelsight::cut_analysis {

// What speaks for and against a cut in front of a frame; each in [0, 1]. All but the last, likeness, speak for a cut.
struct CutEvidence {
  static constexpr int kCount = 11;
  std::array<float, kCount> values{};
};

struct CutCandidate {
  // The first frame of the new shot.
  int frame = 0;
  // In [0, 1]; above 0.5 it is a cut at the default sensitivity.
  float score = 0;
  CutEvidence evidence;
};

// Pairs of neighbours that are unlike enough to be looked at, each with its score, which is at least `least_score`, in
// [0, 1]. The higher that is, the sooner most pairs are ruled out. Deterministic.
std::vector<CutCandidate> FindCutCandidates(std::span<const SeriesFrame> series, float least_score);

}  // namespace reelsight::cut_analysis
