// SPDX-License-Identifier: Apache-2.0
//
// From transitions to shots: where one shot ends and the next begins, and how long shots are. Plain values only.
#pragma once

#include <span>
#include <vector>

#include "absl/time/time.h"
#include "services/lightweight/cut_analysis/transition_detector.h"

namespace reelsight::cut_analysis {

// Half-open span [start, end).
struct Span {
  absl::Duration start;
  absl::Duration end;
  bool operator==(const Span&) const = default;
};

// A transition with its place in time.
struct TimedTransition {
  TransitionKind kind = TransitionKind::kHardCut;
  absl::Duration start;
  absl::Duration end;
  float score = 0;
};

// Of two transitions whose boundaries lie closer than `min_shot` the one of lower score goes (of equals, the later).
// A fade out and the fade in that follows it share one boundary and both stay.
std::vector<TimedTransition> DropShortShots(std::vector<TimedTransition> transitions, absl::Duration min_shot);

// Shots that tile `segment`. A hard cut parts two shots at its time, a dissolve or wipe in its middle, a fade out with
// the fade in that follows in the middle of what lies between; a fade that has no such partner parts nothing.
// `transitions` ascend and lie within the segment.
std::vector<Span> MakeShots(const Span& segment, std::span<const TimedTransition> transitions);

// Rhythm of all shots of all segments.
struct Pace {
  double cuts_per_minute = 0;
  absl::Duration mean_shot;
  absl::Duration median_shot;
};
// `shots` not empty; `segment_count` runs of them have no boundary in between.
Pace MeasurePace(std::span<const Span> shots, int segment_count);

}  // namespace reelsight::cut_analysis
