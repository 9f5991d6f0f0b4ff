// SPDX-License-Identifier: Apache-2.0
#include "shared/concurrency/timer.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::concurrency {
namespace {

TEST(TimerTest, RunsInOrderOfTimeAndWhatWaitsAtTheEnd) {
  std::vector<int> order;
  const auto now = Timer::Clock::now();
  {
    Timer timer;
    timer.RunAt(now + std::chrono::hours(24), [&] { order.push_back(3); });
    timer.RunAt(now + std::chrono::milliseconds(20), [&] { order.push_back(2); });
    timer.RunAt(now - std::chrono::hours(1), [&] { order.push_back(1); });
  }
  EXPECT_THAT(order, ::testing::ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace reelsight::concurrency
