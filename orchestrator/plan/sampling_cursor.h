// SPDX-License-Identifier: Apache-2.0
//
// Which frames one analyzer sees. A plain function of frame times, so that it gives the same answer wherever it runs.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "reelsight/analyzer/v1/analyzer_service.pb.h"

namespace reelsight::orchestrator {

// Frames to take: every one, by rate, or by count.
struct SamplingRule {
  // Frames a second, by presentation time; 0: every frame, unless interval_frames is set.
  double sample_fps = 0;
  // Every so many frames, by count; 0: by sample_fps.
  int64_t interval_frames = 0;

  bool every_frame() const { return sample_fps <= 0 && interval_frames <= 1; }
};

// The rule of the REFERENCE profile: max(minimum, frame rate / divisor) frames, the frame rate rounded to an integer
// and the division rounded down. An analyzer that names no reference interval keeps its accurate rule.
SamplingRule ReferenceRule(const analyzer::v1::Sampling& sampling, double frame_rate);

// One for each analyzer and segment. Asked once for each frame, in presentation order. Frames that are not wanted may
// be left out without changing the other answers, as long as indexes and offsets stay what they are.
class SamplingCursor {
 public:
  // `start`: where the segment begins; its first frame is always taken.
  SamplingCursor(SamplingRule rule, absl::Duration start) : rule_(rule), start_(start) {}

  // True if the frame is the first at or after the next moment (or count) to be sampled.
  bool Take(int64_t index, absl::Duration offset);

 private:
  SamplingRule rule_;
  absl::Duration start_;
  // Number of the next sample: by rate, the moment start + next_ / sample_fps; by count, the index next_ * interval.
  int64_t next_ = 0;
  bool first_ = true;
};

}  // namespace reelsight::orchestrator
