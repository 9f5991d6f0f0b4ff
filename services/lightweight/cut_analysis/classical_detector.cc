// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/classical_detector.h"

#include <algorithm>
#include <utility>

#include "services/lightweight/cut_analysis/coarse_series.h"
#include "services/lightweight/cut_analysis/gradual_detector.h"
#include "services/lightweight/cut_analysis/hard_cut_detector.h"
#include "shared/base/status.h"

namespace reelsight::cut_analysis {
namespace {

bool OverlapsAny(const Transition& transition, std::span<const Transition> others) {
  return std::any_of(others.begin(), others.end(), [&](const Transition& other) {
    return transition.first <= other.end && other.first <= transition.end;
  });
}

}  // namespace

std::string ClassicalDetector::Extract(const I420View& image) const { return EncodeFeatures(ExtractFeatures(image)); }

absl::StatusOr<std::vector<Transition>> ClassicalDetector::Detect(std::span<const FrameRecord> frames,
                                                                  const DetectionOptions& options,
                                                                  const CancelToken& cancel) const {
  std::vector<absl::Duration> offsets;
  std::vector<FrameFeatures> features;
  for (const FrameRecord& record : frames) {
    offsets.push_back(record.offset);
    ASSIGN_OR_RETURN(FrameFeatures decoded, DecodeFeatures(record.payload));
    features.push_back(std::move(decoded));
  }
  const std::vector<SeriesFrame> series = MakeSeries(offsets, std::move(features));
  RETURN_IF_ERROR(cancel.status());
  const float threshold = 0.9F - 0.8F * options.sensitivity;
  std::vector<Transition> transitions;
  if (!options.hard_cuts_only) {
    const CoarseSeries coarse(series);
    transitions = FindFades(series, coarse);
    RETURN_IF_ERROR(cancel.status());
    for (const DissolveCandidate& candidate : FindDissolveCandidates(series, coarse)) {
      if (candidate.transition.score > 0.5F && !OverlapsAny(candidate.transition, transitions)) {
        transitions.push_back(candidate.transition);
      }
    }
  }
  RETURN_IF_ERROR(cancel.status());
  const size_t gradual_count = transitions.size();
  for (const CutCandidate& candidate : FindCutCandidates(series, threshold)) {
    const Transition cut{TransitionKind::kHardCut, candidate.frame, candidate.frame, candidate.score};
    if (!OverlapsAny(cut, std::span(transitions).first(gradual_count))) transitions.push_back(cut);
  }
  std::sort(transitions.begin(), transitions.end(),
            [](const Transition& a, const Transition& b) { return a.first < b.first; });
  return transitions;
}

}  // namespace reelsight::cut_analysis
