// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/presentation_clock.h"

#include <algorithm>
#include <cmath>

namespace reelsight::orchestrator {

namespace {

// Timestamps that go back further than this have begun anew; less is disorder. The ffmpeg program holds it so too.
constexpr absl::Duration kRestart = absl::Milliseconds(100);

}  // namespace

absl::Duration ToDuration(int64_t timestamp, AVRational time_base) {
  if (time_base.num <= 0 || time_base.den <= 0) return absl::ZeroDuration();
  return absl::Nanoseconds(av_rescale_q(timestamp, time_base, AVRational{1, 1'000'000'000}));
}

absl::Duration PresentationClock::Place(int64_t timestamp, int64_t duration) {
  if (timestamp == AV_NOPTS_VALUE) {
    timestamp = last_.has_value() ? *last_ + frame_duration_ : start_.value_or(0);
  } else {
    timestamp += shift_;
    if (last_.has_value() && timestamp <= *last_) {
      const bool restarts = may_restart_ && ToDuration(*last_ - timestamp, time_base_) > kRestart;
      const int64_t next = *last_ + (restarts ? frame_duration_ : 1);
      if (restarts) shift_ += next - timestamp;
      timestamp = next;
    }
  }
  if (!start_.has_value()) start_ = timestamp;
  if (last_.has_value()) {
    const int64_t distance = timestamp - *last_;
    shortest_ = std::min(shortest_, distance);
    longest_ = std::max(longest_, distance);
    // A container that knows no durations: the last frame lasts as long as the one before.
    if (duration <= 0) duration = distance;
  }
  if (duration <= 0) duration = frame_duration_;
  last_ = timestamp;
  const absl::Duration offset = OffsetOf(timestamp);
  end_ = std::max(end_, OffsetOf(timestamp + duration));
  return offset;
}

int64_t PresentationClock::TimestampAt(absl::Duration offset) const {
  return start_.value_or(0) +
         av_rescale_q_rnd(absl::ToInt64Nanoseconds(offset), AVRational{1, 1'000'000'000}, time_base_, AV_ROUND_UP);
}

bool PresentationClock::variable_frame_rate() const {
  if (shortest_ > longest_) return false;
  return ToDuration(longest_ - shortest_, time_base_) >
         std::max(ToDuration(1, time_base_), absl::Milliseconds(1)) + absl::Nanoseconds(1);
}

}  // namespace reelsight::orchestrator
