// SPDX-License-Identifier: Apache-2.0
#include "shared/concurrency/ticker.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace reelsight::concurrency {
namespace {

// Counts, and lets a test wait for a count.
class Counter {
 public:
  void Add() {
    {
      const MutexLock lock(mutex_);
      ++count_;
    }
    changed_.NotifyAll();
  }
  void WaitFor(int count) {
    const MutexLock lock(mutex_);
    while (count_ < count) changed_.Wait(mutex_);
  }
  int count() {
    const MutexLock lock(mutex_);
    return count_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST(TickerTest, RunsAgainAndAgain) {
  Counter runs;
  const Ticker ticker(std::chrono::microseconds(100), [&] { runs.Add(); });
  runs.WaitFor(5);
}

TEST(TickerTest, TheFirstRunComesAfterAPeriodAndStoppingWaitsForNone) {
  Counter runs;
  {
    const Ticker ticker(std::chrono::hours(24), [&] { runs.Add(); });
  }
  EXPECT_EQ(runs.count(), 0);
}

TEST(TickerTest, StoppingWaitsForARunUnderWayAndStartsNoOther) {
  Counter started, opened;
  std::atomic<int> ended = 0;
  std::optional<Ticker> ticker;
  ticker.emplace(std::chrono::microseconds(1), [&] {
    started.Add();
    opened.WaitFor(1);
    ++ended;
  });
  started.WaitFor(1);
  std::thread opener([&] { opened.Add(); });
  ticker.reset();
  const int runs = started.count();
  EXPECT_EQ(ended, runs);
  opener.join();
  EXPECT_EQ(started.count(), runs);
}

TEST(TickerTest, APeriodPassesBetweenRuns) {
  constexpr std::chrono::milliseconds kPeriod(10);
  std::vector<std::chrono::steady_clock::time_point> times;
  Counter runs;
  const auto start = std::chrono::steady_clock::now();
  {
    const Ticker ticker(kPeriod, [&] {
      times.push_back(std::chrono::steady_clock::now());
      runs.Add();
    });
    runs.WaitFor(3);
  }
  EXPECT_GE(times[0] - start, kPeriod);
  EXPECT_GE(times[1] - times[0], kPeriod);
  EXPECT_GE(times[2] - times[1], kPeriod);
}

}  // namespace
}  // namespace reelsight::concurrency
