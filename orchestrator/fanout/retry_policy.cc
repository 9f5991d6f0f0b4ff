// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/retry_policy.h"

#include <algorithm>
#include <random>

#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

constexpr std::chrono::milliseconds kFirstDelay(50);
constexpr std::chrono::milliseconds kLongestDelay(2000);

}  // namespace

std::optional<std::chrono::milliseconds> NextDelay(const absl::Status& failure, const RetryState& state,
                                                   int max_retries, std::chrono::milliseconds patience) {
  const bool full = failure.code() == absl::StatusCode::kResourceExhausted;
  if (GetReason(failure) == ReasonName(Reason::kMessageTooLarge)) return std::nullopt;
  if (!full && failure.code() != absl::StatusCode::kUnavailable) return std::nullopt;
  if (!full && state.failures > max_retries) return std::nullopt;
  if (full && RetryState::Clock::now() - state.first_attempt > patience) return std::nullopt;
  const auto doubled = std::min(kLongestDelay, kFirstDelay * (1 << std::clamp(state.failures - 1, 0, 10)));
  // Spread, so that peers that failed together do not come back together.
  thread_local std::minstd_rand random(std::random_device{}());
  const std::chrono::milliseconds spread(
      std::uniform_int_distribution<int64_t>(doubled.count() / 2, doubled.count())(random));
  return std::max(spread, std::min(kLongestDelay, absl::ToChronoMilliseconds(GetRetryDelay(failure))));
}

RetryState::Clock::time_point AttemptDeadline(absl::Duration timeout, const CancelToken& run) {
  if (timeout == absl::InfiniteDuration()) return run.deadline();
  return std::min(RetryState::Clock::now() + absl::ToChronoNanoseconds(timeout), run.deadline());
}

std::chrono::milliseconds Patience(absl::Duration timeout) {
  return absl::ToChronoMilliseconds(timeout == absl::InfiniteDuration() ? absl::Minutes(1) : timeout);
}

}  // namespace reelsight::orchestrator
