// SPDX-License-Identifier: Apache-2.0
//
// Turns the timestamps of decoded frames into offsets from the start of the video. Timestamps that are missing or run
// backwards are replaced; where they begin anew, as in joined transport streams, time goes on.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "orchestrator/decode/ffmpeg_handles.h"

namespace reelsight::orchestrator {

// A timestamp in units of `time_base` seconds; exact for whole multiples of a nanosecond.
absl::Duration ToDuration(int64_t timestamp, AVRational time_base);

// Used by one thread at a time. Timestamps are in the stream's time base; AV_NOPTS_VALUE: missing.
class PresentationClock {
 public:
  // `frame_duration`: distance of frames where nothing better is known, at least 1. `may_restart`: the container's
  // timestamps may begin anew in the middle.
  PresentationClock(AVRational time_base, int64_t frame_duration, bool may_restart = false)
      : time_base_(time_base), frame_duration_(frame_duration), may_restart_(may_restart) {}

  // Places the next frame in presentation order. `duration`: what the container says of it, or 0. The first call sets
  // the start of the video unless SetStart did.
  absl::Duration Place(int64_t timestamp, int64_t duration);
  // The timestamp of offset zero, where it is known before the first frame.
  void SetStart(int64_t timestamp) { start_ = timestamp; }
  // Forgets the last frame, so that the distance to the next one is not taken for a frame's duration.
  void Jump() { last_.reset(); }

  std::optional<int64_t> start() const { return start_; }
  absl::Duration OffsetOf(int64_t timestamp) const { return ToDuration(timestamp - start_.value_or(0), time_base_); }
  // The smallest timestamp whose offset is not before `offset`.
  int64_t TimestampAt(absl::Duration offset) const;
  // From the start to the end of the last frame placed.
  absl::Duration end() const { return end_; }
  // True if the distances of frames differ by more than the rounding of a coarse time base.
  bool variable_frame_rate() const;

 private:
  const AVRational time_base_;
  const int64_t frame_duration_;
  const bool may_restart_;
  // Added to timestamps since the last new beginning.
  int64_t shift_ = 0;
  std::optional<int64_t> start_;
  std::optional<int64_t> last_;
  int64_t shortest_ = INT64_MAX;
  int64_t longest_ = 0;
  absl::Duration end_;
};

}  // namespace reelsight::orchestrator
