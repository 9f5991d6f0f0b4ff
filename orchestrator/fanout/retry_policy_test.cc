// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/retry_policy.h"

#include <algorithm>
#include <chrono>

#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience(60'000);

RetryState Failed(int failures) { return {.failures = failures}; }

TEST(NextDelayTest, OnlyWhatMayPassIsTriedAgain) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status failure(static_cast<absl::StatusCode>(code), "");
    const bool passes = absl::IsUnavailable(failure) || absl::IsResourceExhausted(failure);
    EXPECT_EQ(NextDelay(failure, Failed(1), 3, kPatience).has_value(), passes) << failure;
  }
  // It would be too large again.
  const absl::Status large = MakeError(absl::StatusCode::kResourceExhausted, Reason::kMessageTooLarge, "");
  EXPECT_FALSE(NextDelay(large, Failed(1), 3, kPatience).has_value());
}

TEST(NextDelayTest, AnUnavailableServiceIsTriedSoManyTimes) {
  const absl::Status down = absl::UnavailableError("");
  EXPECT_TRUE(NextDelay(down, Failed(3), 3, kPatience).has_value());
  EXPECT_FALSE(NextDelay(down, Failed(4), 3, kPatience).has_value());
  EXPECT_FALSE(NextDelay(down, Failed(1), 0, kPatience).has_value());
  // However long it takes.
  EXPECT_TRUE(NextDelay(down, {RetryState::Clock::now() - std::chrono::hours(1), 1}, 3, kPatience).has_value());
}

TEST(NextDelayTest, AFullServiceIsTriedAsLongAsThereIsPatience) {
  const absl::Status full = absl::ResourceExhaustedError("");
  const auto now = RetryState::Clock::now();
  EXPECT_TRUE(NextDelay(full, {now - milliseconds(50'000), 1000}, 0, kPatience).has_value());
  EXPECT_FALSE(NextDelay(full, {now - milliseconds(60'001), 1}, 3, kPatience).has_value());
}

TEST(NextDelayTest, DelaysDoubleUpToABoundAndAreSpread) {
  int failures = 0;
  for (const int longest : {50, 100, 200, 400, 800, 1600, 2000, 2000, 2000, 2000, 2000, 2000, 2000}) {
    ++failures;
    milliseconds least = milliseconds::max(), most = {};
    for (int i = 0; i < 500; ++i) {
      const milliseconds delay = *NextDelay(absl::UnavailableError(""), Failed(failures), 100, kPatience);
      least = std::min(least, delay);
      most = std::max(most, delay);
    }
    EXPECT_GE(least.count(), longest / 2) << failures;
    EXPECT_LE(most.count(), longest) << failures;
    // Of so many, some are in the lower half, some in the upper.
    EXPECT_LT(least.count(), longest * 3 / 4) << failures;
    EXPECT_GT(most.count(), longest * 3 / 4) << failures;
  }
}

TEST(NextDelayTest, APeersWishIsKeptUpToABound) {
  const auto wished = [](absl::Duration delay) {
    return NextDelay(WithRetryDelay(absl::UnavailableError(""), delay), Failed(1), 3, kPatience)->count();
  };
  EXPECT_EQ(wished(absl::Milliseconds(1234)), 1234);
  EXPECT_EQ(wished(absl::Hours(1)), 2000);
  EXPECT_GE(wished(absl::Milliseconds(1)), 25);
}

TEST(AttemptDeadlineTest, TheEarlierOfTheAttemptsAndTheRuns) {
  const auto now = RetryState::Clock::now();
  const CancelToken endless;
  EXPECT_EQ(AttemptDeadline(absl::InfiniteDuration(), endless), CancelToken::Clock::time_point::max());
  const auto one_hour = AttemptDeadline(absl::Hours(1), endless);
  EXPECT_GE(one_hour, now + std::chrono::hours(1));
  EXPECT_LT(one_hour, now + std::chrono::hours(2));
  const CancelToken run;
  run.SetDeadline(now + std::chrono::minutes(5));
  EXPECT_EQ(AttemptDeadline(absl::Hours(1), run), run.deadline());
  EXPECT_EQ(AttemptDeadline(absl::InfiniteDuration(), run), run.deadline());
  EXPECT_LT(AttemptDeadline(absl::Minutes(1), run), run.deadline());
}

TEST(PatienceTest, IsThatOfOneAttempt) {
  EXPECT_EQ(Patience(absl::Seconds(7)), milliseconds(7000));
  EXPECT_EQ(Patience(absl::InfiniteDuration()), std::chrono::minutes(1));
}

}  // namespace
}  // namespace reelsight::orchestrator
