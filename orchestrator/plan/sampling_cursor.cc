// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/plan/sampling_cursor.h"

#include <algorithm>
#include <cmath>

namespace reelsight::orchestrator {
namespace {

// Presentation times are rounded to the container's time base: a frame this little before its moment is meant.
constexpr double kRoundingSeconds = 0.001;

}  // namespace

SamplingRule ReferenceRule(const analyzer::v1::Sampling& sampling, double frame_rate) {
  if (sampling.reference_min_interval() <= 0) return {.sample_fps = sampling.sample_fps()};
  const int64_t rate = std::max<int64_t>(1, std::llround(frame_rate));
  const int64_t divisor = std::max(1, sampling.reference_divisor());
  return {.interval_frames = std::max<int64_t>(sampling.reference_min_interval(), rate / divisor)};
}

bool SamplingCursor::Take(int64_t index, absl::Duration offset) {
  if (rule_.every_frame()) return true;
  const bool first = first_;
  first_ = false;
  if (rule_.interval_frames > 0) return first || index % rule_.interval_frames == 0;
  const double position = (absl::ToDoubleSeconds(offset - start_) + kRoundingSeconds) * rule_.sample_fps;
  if (position < static_cast<double>(next_)) return first;
  next_ = static_cast<int64_t>(std::floor(position)) + 1;
  return true;
}

}  // namespace reelsight::orchestrator
