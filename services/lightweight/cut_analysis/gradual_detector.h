// SPDX-License-Identifier: Apache-2.0
//
// Dissolves and fades in a series of frame records. Hard cuts are the business of hard_cut_detector.h.
//
// Note [Ramp]: a dissolve from A to B shows (1 - a) A + a B, with a going from 0 to 1. So on a grid too coarse to feel
// motion the frames lie on the straight line from A to B and pass it in even steps, while a pan, a zoom or a passing
// object bends away from the line, a hard cut jumps along it, and a change of light ends at a picture like A.
// A fade is the same with a blank picture for A or B; there the distance to the blank alone tells a, whatever moves.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "services/lightweight/cut_analysis/coarse_series.h"
#include "services/lightweight/cut_analysis/series.h"
#include "services/lightweight/cut_analysis/transition_detector.h"

namespace reelsight::cut_analysis {

// What speaks for a dissolve between two frames.
struct DissolveEvidence {
  static constexpr int kCount = 11;
  std::array<float, kCount> values{};
};

struct DissolveCandidate {
  Transition transition;
  DissolveEvidence evidence;
};

// Fades, ascending, not overlapping. `coarse` is of `series`.
std::vector<Transition> FindFades(std::span<const SeriesFrame> series, const CoarseSeries& coarse);
// Dissolves by falling promise; they may overlap each other, fades and cuts. transition.score above 0.5 is a dissolve.
std::vector<DissolveCandidate> FindDissolveCandidates(std::span<const SeriesFrame> series, const CoarseSeries& coarse);

}  // namespace reelsight::cut_analysis
