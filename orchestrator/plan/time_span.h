// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/time/time.h"

namespace reelsight::orchestrator {

// Half-open span [start, end) from the start of the video.
struct TimeSpan {
  absl::Duration start;
  absl::Duration end;
  bool operator==(const TimeSpan&) const = default;
};

}  // namespace reelsight::orchestrator
