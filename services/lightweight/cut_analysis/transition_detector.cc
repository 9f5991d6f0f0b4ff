// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/transition_detector.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "services/lightweight/cut_analysis/coarse_series.h"
#include "services/lightweight/cut_analysis/frame_features.h"
#include "services/lightweight/cut_analysis/gradual_detector.h"
#include "services/lightweight/cut_analysis/hard_cut_detector.h"
#include "shared/base/status.h"

namespace reelsight::cut_analysis {
namespace {

// Least scores of a dissolve, by features alone and with a network.
constexpr float kMinDissolve = 0.5F;
constexpr float kMinDissolveOfBoth = 0.7F;
// A gradual change that only the network sees: so sure, and so long.
constexpr float kMinAlone = 0.8F;
constexpr float kMinTransition = 0.5F;
constexpr int kMinFramesAlone = 4;

bool OverlapsAny(const Transition& transition, std::span<const Transition> others) {
  return std::any_of(others.begin(), others.end(), [&](const Transition& other) {
    return transition.first <= other.end && other.first <= transition.end;
  });
}

// Highest value of [begin, end], cut to what there is; 0 for none.
float Highest(std::span<const float> values, int begin, int end) {
  float highest = 0;
  for (int i = std::max(0, begin); i <= std::min(end, static_cast<int>(values.size()) - 1); ++i) {
    highest = std::max(highest, values[i]);
  }
  return highest;
}

// See Note [Two opinions].
float Agreement(float features, float network) { return std::sqrt(features * network); }

// Adds to `transitions` what the network is sure of and nobody else sees: runs that are no mix of two pictures.
void AddWipes(const ShotProbabilities& network, std::vector<Transition>& transitions) {
  const auto count = static_cast<int>(network.transition.size());
  const size_t known = transitions.size();
  for (int begin = 0; begin < count; ++begin) {
    if (network.transition[begin] <= kMinTransition) continue;
    int end = begin;
    while (end < count && network.transition[end] > kMinTransition) ++end;
    const Transition wipe{TransitionKind::kWipe, begin, end, Highest(network.boundary, begin, end - 1)};
    if (end - begin >= kMinFramesAlone && wipe.score > kMinAlone &&
        !OverlapsAny(wipe, std::span(transitions).first(known))) {
      transitions.push_back(wipe);
    }
    begin = end;
  }
}

}  // namespace

absl::StatusOr<std::vector<Transition>> FindTransitions(const std::vector<absl::Duration>& offsets,
                                                        std::vector<FrameFeatures> features,
                                                        const DetectionOptions& options,
                                                        const ShotProbabilities& network, const CancelToken& cancel) {
  const std::vector<SeriesFrame> series = MakeSeries(offsets, std::move(features));
  RETURN_IF_ERROR(cancel.status());
  const bool both = !network.empty();
  std::vector<Transition> transitions;
  if (!options.hard_cuts_only) {
    const CoarseSeries coarse(series);
    transitions = FindFades(series, coarse);
    RETURN_IF_ERROR(cancel.status());
    std::vector<Transition> dissolves;
    for (const DissolveCandidate& candidate : FindDissolveCandidates(series, coarse)) {
      Transition dissolve = candidate.transition;
      if (both) {
        dissolve.score = Agreement(dissolve.score, Highest(network.transition, dissolve.first, dissolve.end));
      }
      if (dissolve.score > (both ? kMinDissolveOfBoth : kMinDissolve)) dissolves.push_back(dissolve);
    }
    if (both) {
      std::stable_sort(dissolves.begin(), dissolves.end(),
                       [](const Transition& a, const Transition& b) { return a.score > b.score; });
    }
    for (const Transition& dissolve : dissolves) {
      if (!OverlapsAny(dissolve, transitions)) transitions.push_back(dissolve);
    }
  }
  RETURN_IF_ERROR(cancel.status());
  const size_t gradual_count = transitions.size();
  const float threshold = both ? 0.95F - 0.7F * options.sensitivity : 0.9F - 0.8F * options.sensitivity;
  // The network's say is at most 1, so a weaker candidate cannot pass.
  for (const CutCandidate& candidate : FindCutCandidates(series, both ? threshold * threshold : threshold)) {
    Transition cut{TransitionKind::kHardCut, candidate.frame, candidate.frame, candidate.score};
    if (both) {
      // The network marks the last frame of the old shot; it may be one off.
      cut.score = Agreement(cut.score, Highest(network.boundary, cut.first - 2, cut.first));
      if (cut.score < threshold) continue;
    }
    if (!OverlapsAny(cut, std::span(transitions).first(gradual_count))) transitions.push_back(cut);
  }
  if (both && !options.hard_cuts_only) AddWipes(network, transitions);
  std::sort(transitions.begin(), transitions.end(),
            [](const Transition& a, const Transition& b) { return a.first < b.first; });
  return transitions;
}

}  // namespace reelsight::cut_analysis
