// SPDX-License-Identifier: Apache-2.0
//
// Blinks in the openness of one face's eyes through time. Not for less than 15 samples a second: a blink takes 0.1 to
// 0.4 s, so that slower sampling misses most of them.
#pragma once

#include <vector>

#include "absl/time/time.h"

namespace reelsight::eye_tracking {

struct OpennessSample {
  absl::Duration offset;
  // Mean of both eyes, in [0, 1].
  double openness = 0;
};

struct BlinkSpan {
  // First sample with closed eyes.
  absl::Duration start;
  // First sample with open eyes after it.
  absl::Duration end;
};

struct BlinkOptions {
  // Eyes close where openness falls below this share of the face's own usual openness (its median) ...
  double close_share = 0.7;
  // ... and are open again from this share on, so that a lid that rests between the two does not blink many times.
  double open_share = 0.8;
  // Longer is closed eyes, not a blink [Stern et al., The endogenous eyeblink, 1984, have 0.4 s for most].
  absl::Duration max_length = absl::Milliseconds(500);
};

// Blinks in order of time. `samples` ascend by offset. A closure that is cut off by either end is none: nobody knows
// how long it took.
std::vector<BlinkSpan> FindBlinks(const std::vector<OpennessSample>& samples, const BlinkOptions& options);

}  // namespace reelsight::eye_tracking
