// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/shot_list.h"

#include <algorithm>
#include <optional>

namespace reelsight::cut_analysis {
namespace {

// A shot boundary and the transitions [first, last] of the list that make it.
struct Boundary {
  absl::Duration offset;
  size_t first = 0;
  size_t last = 0;
};

std::vector<Boundary> FindBoundaries(std::span<const TimedTransition> transitions) {
  std::vector<Boundary> boundaries;
  for (size_t i = 0; i < transitions.size(); ++i) {
    const TimedTransition& transition = transitions[i];
    switch (transition.kind) {
      case TransitionKind::kHardCut:
        boundaries.push_back({transition.start, i, i});
        break;
      case TransitionKind::kDissolve:
      case TransitionKind::kWipe:
        boundaries.push_back({transition.start + (transition.end - transition.start) / 2, i, i});
        break;
      case TransitionKind::kFadeOut:
        if (i + 1 < transitions.size() && transitions[i + 1].kind == TransitionKind::kFadeIn) {
          boundaries.push_back({transition.end + (transitions[i + 1].start - transition.end) / 2, i, i + 1});
          ++i;
        }
        break;
      case TransitionKind::kFadeIn:
        break;
    }
  }
  return boundaries;
}

}  // namespace

std::vector<TimedTransition> DropShortShots(std::vector<TimedTransition> transitions, absl::Duration min_shot) {
  while (true) {
    const std::vector<Boundary> boundaries = FindBoundaries(transitions);
    std::optional<Boundary> dropped;
    const auto score = [&](const Boundary& b) {
      return std::min(transitions[b.first].score, transitions[b.last].score);
    };
    for (size_t i = 1; i < boundaries.size(); ++i) {
      if (boundaries[i].offset - boundaries[i - 1].offset >= min_shot) continue;
      const Boundary& weaker = score(boundaries[i - 1]) < score(boundaries[i]) ? boundaries[i - 1] : boundaries[i];
      if (!dropped.has_value() || score(weaker) < score(*dropped)) dropped = weaker;
    }
    if (!dropped.has_value()) return transitions;
    transitions.erase(transitions.begin() + static_cast<std::ptrdiff_t>(dropped->first),
                      transitions.begin() + static_cast<std::ptrdiff_t>(dropped->last) + 1);
  }
}

std::vector<Span> MakeShots(const Span& segment, std::span<const TimedTransition> transitions) {
  std::vector<Span> shots;
  absl::Duration start = segment.start;
  for (const Boundary& boundary : FindBoundaries(transitions)) {
    if (boundary.offset <= start || boundary.offset >= segment.end) continue;
    shots.push_back({start, boundary.offset});
    start = boundary.offset;
  }
  shots.push_back({start, segment.end});
  return shots;
}

Pace MeasurePace(std::span<const Span> shots, int segment_count) {
  std::vector<absl::Duration> lengths;
  absl::Duration total;
  for (const Span& shot : shots) {
    lengths.push_back(shot.end - shot.start);
    total += lengths.back();
  }
  std::sort(lengths.begin(), lengths.end());
  const size_t middle = lengths.size() / 2;
  Pace pace;
  pace.mean_shot = total / static_cast<int64_t>(lengths.size());
  pace.median_shot = lengths.size() % 2 == 1 ? lengths[middle] : (lengths[middle - 1] + lengths[middle]) / 2;
  if (total > absl::ZeroDuration()) {
    const double cuts = static_cast<double>(shots.size()) - segment_count;
    pace.cuts_per_minute = cuts * 60 / absl::ToDoubleSeconds(total);
  }
  return pace;
}

}  // namespace reelsight::cut_analysis
