// SPDX-License-Identifier: Apache-2.0
//
// Which analyzers see which frames of one video. Decided once for each frame: by whoever first learns of the frame,
// which is the decoder; everybody after it reads the decision off the frame.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/plan/analysis_plan.h"
#include "orchestrator/plan/sampling_cursor.h"
#include "orchestrator/plan/time_span.h"

namespace reelsight::orchestrator {

// What is done with one frame.
struct FrameDecision {
  // The segment that it lies in, counted from 0; -1: in none.
  int segment = -1;
  // Places in the plan of the analyzers that take it, ascending.
  std::vector<int> takers;
  // How many decoded frames just before it its takers want with it.
  int neighbours = 0;

  bool taken() const { return !takers.empty(); }
};

// Used by one thread at a time.
class FrameSchedule {
 public:
  // One analyzer's share of the frames.
  struct Consumer {
    // Its place in the plan.
    int place = 0;
    SamplingRule rule;
    // Decoded frames that it wants before each frame it takes.
    int neighbours = 0;
  };

  // Analyzers of `plan` whose status is not OK take nothing. `frame_rate` counts in the REFERENCE profile only.
  // `segments` are in order of time, without overlap; empty: the whole video.
  FrameSchedule(const AnalysisPlan& plan, double frame_rate, v1::AnalyzeRequest::SamplingProfile profile,
                std::vector<TimeSpan> segments);
  FrameSchedule(std::vector<Consumer> consumers, std::vector<TimeSpan> segments);

  // The decision on the frame. Asked once for each frame, in presentation order; what lies before a segment may be left
  // out. A frame that comes late, as damaged files have them, is taken only by who takes every frame.
  FrameDecision Decide(int64_t index, absl::Duration offset);

  // True if somebody takes every frame, so that there is nothing to leave out.
  bool takes_every_frame() const { return takes_every_frame_; }
  // Never empty.
  const std::vector<TimeSpan>& segments() const { return segments_; }

 private:
  const std::vector<Consumer> consumers_;
  const std::vector<TimeSpan> segments_;
  const bool takes_every_frame_;
  // The segment that the next frame may lie in.
  size_t at_ = 0;
  // One for each consumer, from a segment's first frame on.
  std::vector<SamplingCursor> cursors_;
};

}  // namespace reelsight::orchestrator
