// SPDX-License-Identifier: Apache-2.0
//
// Where the cache's bounds lie exactly, what its observers hear, and in which order callers are served.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/cache/loads_test_support.h"
#include "shared/cache/pinned_lru_cache.h"

namespace reelsight::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A clock that a test sets.
struct SetClock {
  std::atomic<int64_t> seconds = 0;
  std::function<Clock::time_point()> function() {
    return [this] { return Clock::time_point(std::chrono::seconds(seconds)); };
  }
};

std::string MessageOf(Cache& cache, const std::string& key, int64_t bytes) {
  return std::string(cache.Acquire(key, bytes, Loads(key, bytes), CancelToken()).status().message());
}

TEST(CacheBoundsTest, TheBudgetMayBeFilledToTheLastByte) {
  Cache cache({.budget_bytes = 10});
  EXPECT_EQ(cache.budget_bytes(), 10);
  const auto held = cache.Acquire("held", 4, Loads("held", 4), CancelToken());
  Use(cache, "idle", 6);
  EXPECT_EQ(cache.used_bytes(), 10);
  EXPECT_TRUE(Use(cache, "idle", 6));
  EXPECT_EQ(MessageOf(cache, "b", 7),
            "b needs 7 bytes; the budget is 10 bytes, 4 of them in use: raise memory_budget_bytes, or try again");
  EXPECT_EQ(MessageOf(cache, "b", 11),
            "b needs 11 bytes; the budget is 10 bytes, 4 of them in use: raise memory_budget_bytes");
  EXPECT_EQ(MessageOf(cache, "b", 10),
            "b needs 10 bytes; the budget is 10 bytes, 4 of them in use: raise memory_budget_bytes, or try again");
  EXPECT_TRUE(cache.Contains("idle"));
  EXPECT_EQ(MessageOf(cache, "b", 6), "");
  EXPECT_FALSE(cache.Contains("idle"));
}

TEST(CacheBoundsTest, NoMoreIsEvictedThanRoomIsNeeded) {
  Cache cache({.budget_bytes = 10});
  for (const char* const key : {"a", "b", "c"}) Use(cache, key, 3);
  Use(cache, "one", 1);
  EXPECT_EQ(cache.used_bytes(), 10);
  Use(cache, "d", 3);
  EXPECT_FALSE(cache.Contains("a"));
  EXPECT_TRUE(cache.Contains("b"));
  EXPECT_EQ(cache.used_bytes(), 10);
  Use(cache, "e", 4);
  EXPECT_FALSE(cache.Contains("c"));
  EXPECT_TRUE(cache.Contains("one"));
  EXPECT_EQ(cache.used_bytes(), 8);
}

TEST(CacheBoundsTest, AValueIsTooOldAtItsTimeAndNotBefore) {
  SetClock clock;
  Cache cache({.budget_bytes = 10, .ttl = std::chrono::seconds(60), .now = clock.function()});
  Use(cache, "a", 1);
  clock.seconds = 59;
  EXPECT_EQ(cache.Sweep(), 0);
  clock.seconds = 60;
  EXPECT_EQ(cache.Sweep(), 1);
  // Without a time nothing is ever too old.
  Cache patient({.budget_bytes = 10, .now = clock.function()});
  Use(patient, "a", 1);
  clock.seconds = 1'000'000;
  EXPECT_EQ(patient.Sweep(), 0);
}

TEST(CacheBoundsTest, AFailureHoldsForItsTimeAndNotLonger) {
  SetClock clock;
  int loads = 0;
  const Cache::Load fails = [&]() -> absl::StatusOr<Cache::Loaded> {
    return absl::DataLossError(absl::StrCat("load ", ++loads));
  };
  const auto message = [&](Cache& cache) {
    return std::string(cache.Acquire("a", 1, fails, CancelToken()).status().message());
  };
  Cache cache({.budget_bytes = 10, .failure_backoff = std::chrono::seconds(5), .now = clock.function()});
  EXPECT_EQ(message(cache), "load 1");
  clock.seconds = 4;
  EXPECT_EQ(message(cache), "load 1");
  // Others do not suffer for it.
  EXPECT_EQ(MessageOf(cache, "b", 1), "");
  clock.seconds = 5;
  EXPECT_EQ(message(cache), "load 2");
  Cache eager({.budget_bytes = 10, .now = clock.function()});
  EXPECT_EQ(message(eager), "load 3");
  EXPECT_EQ(message(eager), "load 4");
}

TEST(CacheBoundsTest, MemoryIsShortOverItsBoundsOnly) {
  double used = 0.85;
  Cache cache({.budget_bytes = 100, .used_fraction = [&] { return used; }});
  Use(cache, "idle", 1);
  EXPECT_EQ(cache.Sweep(), 0);
  Use(cache, "a", 1);
  EXPECT_TRUE(cache.Contains("idle"));
  const auto held = cache.Acquire("a", 1, Loads("a", 1), CancelToken());
  used = 0.90;
  EXPECT_EQ(MessageOf(cache, "b", 1), "");
  EXPECT_FALSE(cache.Contains("idle"));
  used = 0.91;
  EXPECT_EQ(MessageOf(cache, "c", 1), "memory is short (91% in use), c is not loaded now; free memory or try again");
  EXPECT_EQ(cache.used_bytes(), 1);
}

TEST(CacheBoundsTest, ASweepCountsWhatIsTooOldAndWhatMemoryIsTooShortFor) {
  SetClock clock;
  double used = 0.5;
  int told = 0;
  Cache cache({.budget_bytes = 100,
               .ttl = std::chrono::seconds(60),
               .used_fraction = [&] { return used; },
               .after_evict = [&] { ++told; },
               .now = clock.function(),
               .observer = {.on_evict = [&](const std::string&, Clock::duration) { used = 0.8; }}});
  Use(cache, "old", 1);
  Use(cache, "older", 1);
  clock.seconds = 60;
  const auto held = cache.Acquire("held", 1, Loads("held", 1), CancelToken());
  EXPECT_EQ(told, 1);
  Use(cache, "idle", 1);
  Use(cache, "idle too", 1);
  EXPECT_EQ(cache.Sweep(), 0);
  EXPECT_EQ(told, 1);
  clock.seconds = 100;
  Use(cache, "young", 1);
  clock.seconds = 120;
  EXPECT_EQ(cache.Sweep(), 2);
  used = 0.9;
  EXPECT_EQ(cache.Sweep(), 1);
  // Nothing is left but what is in use.
  used = 0.9;
  EXPECT_EQ(cache.Sweep(), 0);
  EXPECT_EQ(cache.EvictIdle(), 0);
  EXPECT_TRUE(cache.Contains("held"));
  Use(cache, "x", 1);
}

TEST(CacheBoundsTest, ObserversHearOfUsesLoadsAndBytes) {
  SetClock clock;
  std::vector<std::string> told;
  Cache cache(
      {.budget_bytes = 10,
       .now = clock.function(),
       .observer = {.on_use = [&](const std::string& key,
                                  bool hit) { told.push_back(absl::StrCat(hit ? "hit " : "miss ", key)); },
                    .on_load =
                        [&](const std::string& key, const absl::Status& status, Clock::duration took) {
                          told.push_back(absl::StrCat("load ", key, status.ok() ? " ok " : " failed ",
                                                      std::chrono::duration_cast<std::chrono::seconds>(took).count()));
                        },
                    .on_evict = [&](const std::string& key, Clock::duration) { told.push_back("evict " + key); },
                    .on_used = [&](int64_t bytes) { told.push_back(absl::StrCat(bytes)); }}});
  const auto slow = [&](absl::StatusOr<Cache::Loaded> loaded) {
    return [&clock, loaded]() -> absl::StatusOr<Cache::Loaded> {
      clock.seconds += 3;
      return loaded;
    };
  };
  (void)cache.Acquire("a", 4, slow(Cache::Loaded{std::make_shared<std::string>("a"), 8}), CancelToken());
  EXPECT_THAT(std::exchange(told, {}), ElementsAre("4", "miss a", "load a ok 3", "0", "8"));
  Use(cache, "a", 4);
  EXPECT_THAT(std::exchange(told, {}), ElementsAre("hit a"));
  (void)cache.Acquire("b", 5, slow(absl::DataLossError("")), CancelToken());
  EXPECT_THAT(std::exchange(told, {}), ElementsAre("0", "5", "evict a", "miss b", "load b failed 3", "0"));
  // A refusal is neither a hit nor a load.
  Use(cache, "c", 1);
  told.clear();
  (void)cache.Acquire("d", 11, Loads("d", 11), CancelToken());
  EXPECT_THAT(told, ElementsAre("miss d"));
}

TEST(CacheBoundsTest, OneThatProvesLargerThanTheBudgetDoesNotWaitForRoom) {
  Cache cache({.budget_bytes = 10, .max_wait = std::chrono::minutes(10)});
  const auto held = cache.Acquire("held", 6, Loads("held", 6), CancelToken());
  EXPECT_THAT(std::string(cache.Acquire("b", 1, Loads("b", 11), CancelToken()).status().message()),
              HasSubstr("b needs 11 bytes"));
  EXPECT_EQ(cache.used_bytes(), 6);
}

TEST(CacheBoundsTest, AValueIsNotThereWhileItIsLoadedAndItsWaitersHaveDeadlines) {
  Cache cache({.budget_bytes = 10});
  HeldLoad load(cache, "a");
  EXPECT_FALSE(cache.Contains("a"));
  EXPECT_EQ(cache.EvictIdle(), 0);
  const CancelToken late;
  late.SetDeadline(Clock::now() + std::chrono::milliseconds(5));
  EXPECT_TRUE(absl::IsDeadlineExceeded(cache.Acquire("a", 1, Loads("a", 1), late).status()));
  load.Finish();
  EXPECT_TRUE(cache.Contains("a"));
  const CancelToken cancelled;
  cancelled.Cancel();
  EXPECT_TRUE(absl::IsCancelled(cache.Acquire("a", 1, Loads("a", 1), cancelled).status()));
}

// One value in use; callers that wait until it goes, one after the other.
class WaitingTest : public ::testing::Test {
 protected:
  explicit WaitingTest(Clock::duration max_wait = std::chrono::minutes(10))
      : cache_({.budget_bytes = 10,
                .max_wait = max_wait,
                .observer = {.on_use = [this](const std::string&, bool) { ++looked_; },
                             .on_load =
                                 [this](const std::string& key, const absl::Status&, Clock::duration) {
                                   const MutexLock lock(mutex_);
                                   loads_.push_back(key);
                                 }}}),
        held_(cache_.Acquire("held", 6, Loads("held", 6), CancelToken())->value) {}
  ~WaitingTest() override {
    held_.reset();
    for (std::thread& waiter : waiters_) waiter.join();
  }
  // Returns when the caller has looked, and so has its place in the queue.
  void Wait(const std::string& key, int64_t bytes) {
    const int before = looked_;
    waiters_.emplace_back([this, key, bytes] {
      Use(cache_, key, bytes);
      ++served_;
    });
    while (looked_ == before) std::this_thread::yield();
  }
  void JoinAll() {
    for (std::thread& waiter : waiters_) waiter.join();
    waiters_.clear();
  }

  std::atomic<int> looked_ = 0, served_ = 0;
  Mutex mutex_;
  std::vector<std::string> loads_;
  Cache cache_;
  std::shared_ptr<const std::string> held_;
  std::vector<std::thread> waiters_;
};

TEST_F(WaitingTest, WhoComesFirstIsServedFirst) {
  for (const char* const key : {"m", "z", "a"}) Wait(key, 7);
  // One that would fit beside what is in use waits its turn too.
  Wait("small", 4);
  EXPECT_EQ(served_, 0);
  held_.reset();
  JoinAll();
  EXPECT_THAT(loads_, ElementsAre("held", "m", "z", "a", "small"));
  // Each use is told once, however often a caller looks again.
  EXPECT_EQ(looked_, 5);
}

class ImpatientTest : public WaitingTest {
 protected:
  ImpatientTest() : WaitingTest(std::chrono::seconds(4)) {}
};

TEST_F(ImpatientTest, WhoWantsWhatIsLoadedLetsOthersGoFirstForATenthOfTheTime) {
  Wait("other", 7);
  const auto start = Clock::now();
  EXPECT_TRUE(Use(cache_, "held", 6));
  EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(400));
  EXPECT_EQ(served_, 0);
}

}  // namespace
}  // namespace reelsight::cache
