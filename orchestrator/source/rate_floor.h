// SPDX-License-Identifier: Apache-2.0
//
// Judges whether bytes that somebody sends us come fast enough. Not a limit of speed, and no clock: its user says how
// long it waited.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace reelsight::orchestrator {

// Used by one thread at a time.
//
// Only time spent waiting for the sender counts, cut into windows: each must bring at least min_bytes_per_second *
// window bytes. Bytes that came while nobody waited count in the window they came in. So a sender that stops is found
// out after one window, one that drips after at most two, and one that is slow for a moment is not.
class RateFloor {
 public:
  struct Options {
    // 0: only senders that bring no byte in a window are too slow. Raising it refuses those behind slow lines.
    int64_t min_bytes_per_second = 0;
    // > 0. Raising it holds a place longer for those who send nothing.
    absl::Duration window = absl::Seconds(60);
  };

  explicit RateFloor(Options options) : options_(options) {}

  void Add(int64_t bytes) { bytes_ += bytes; }
  // More waiting is over. False from when a window has brought too little.
  bool Waited(absl::Duration time) {
    waited_ += time;
    if (waited_ >= options_.window) {
      // A window is no shorter for having been looked at late.
      too_slow_ |= bytes_ < 1 || static_cast<double>(bytes_) < static_cast<double>(options_.min_bytes_per_second) *
                                                                   absl::ToDoubleSeconds(waited_);
      waited_ = absl::ZeroDuration();
      bytes_ = 0;
    }
    return !too_slow_;
  }
  // Waiting that is left of this window.
  absl::Duration left() const { return options_.window - waited_; }
  const Options& options() const { return options_; }

 private:
  const Options options_;
  absl::Duration waited_;
  int64_t bytes_ = 0;
  bool too_slow_ = false;
};

}  // namespace reelsight::orchestrator
