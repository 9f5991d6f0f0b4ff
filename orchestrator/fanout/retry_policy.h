// SPDX-License-Identifier: Apache-2.0
//
// When a failed call is made again. gRPC's own retries are off: only here is known what a run can still afford.
#pragma once

#include <chrono>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shared/base/cancel_token.h"

namespace reelsight::orchestrator {

struct RetryState {
  using Clock = std::chrono::steady_clock;
  Clock::time_point first_attempt = Clock::now();
  // Attempts that failed so far.
  int failures = 0;
};

// How long to wait before the next attempt, or nullopt if the failure is final. UNAVAILABLE is tried `max_retries`
// times again (50 ms, doubled each time, half of it random). RESOURCE_EXHAUSTED is back-pressure: tried until
// `patience` has passed since the first attempt, after the peer's own delay if it names one; MESSAGE_TOO_LARGE is
// final.
std::optional<std::chrono::milliseconds> NextDelay(const absl::Status& failure, const RetryState& state,
                                                   int max_retries, std::chrono::milliseconds patience);

// When an attempt that begins now must have ended, and how long back-pressure is borne, for attempts of at most
// `timeout`. Infinite: an attempt may take as long as the run, and back-pressure is borne for a minute.
RetryState::Clock::time_point AttemptDeadline(absl::Duration timeout, const CancelToken& run);
std::chrono::milliseconds Patience(absl::Duration timeout);

}  // namespace reelsight::orchestrator
