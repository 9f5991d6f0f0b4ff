// SPDX-License-Identifier: Apache-2.0
#include "shared/cache/pinned_lru_cache.h"

#include <atomic>
#include <future>
#include <random>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/cache/loads_test_support.h"

namespace reelsight::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PinnedLruCacheTest, HitsAlwaysAfterTheFirstVideoWhileTheBudgetHoldsAll) {
  std::vector<std::string> evicted;
  Cache cache({.budget_bytes = 35,
               .observer = {.on_evict = [&](const std::string& key, Clock::duration) { evicted.push_back(key); }}});
  int hits = 0, uses = 0;
  for (int video = 0; video < 10; ++video) {
    for (const auto& [key, bytes] : std::vector<std::pair<std::string, int64_t>>{{"a", 20}, {"b", 10}, {"c", 5}}) {
      const bool hit = Use(cache, key, bytes);
      if (video == 0) {
        EXPECT_FALSE(hit);
      } else {
        ++uses;
        hits += hit ? 1 : 0;
      }
    }
  }
  EXPECT_EQ(hits, uses);
  EXPECT_TRUE(evicted.empty());
  EXPECT_EQ(cache.used_bytes(), 35);
}

TEST(PinnedLruCacheTest, TheLeastRecentlyUsedGoesFirstAndOneInUseNever) {
  std::vector<std::string> evicted;
  Cache cache({.budget_bytes = 3,
               .observer = {.on_evict = [&](const std::string& key, Clock::duration) { evicted.push_back(key); }}});
  auto a = *cache.Acquire("a", 1, Loads("a", 1), CancelToken());
  Use(cache, "b", 1);
  Use(cache, "c", 1);
  EXPECT_TRUE(Use(cache, "b", 1));
  Use(cache, "d", 1);
  EXPECT_THAT(evicted, ElementsAre("c"));
  Use(cache, "e", 1);
  EXPECT_THAT(evicted, ElementsAre("c", "b"));
  a.value.reset();
  Use(cache, "f", 1);
  // a was in use until now, so d is the oldest.
  EXPECT_THAT(evicted, ElementsAre("c", "b", "d"));
  EXPECT_EQ(cache.used_bytes(), 3);
}

TEST(PinnedLruCacheTest, WhatDoesNotFitIsRefusedAndSaysWhatToRaise) {
  Cache cache({.budget_bytes = 10});
  const auto pinned = cache.Acquire("a", 8, Loads("a", 8), CancelToken());
  const absl::Status refused = cache.Acquire("b", 3, Loads("b", 3), CancelToken()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(refused), "MODEL_TOO_LARGE");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("memory_budget_bytes"));
  // One whose size was underestimated, too.
  EXPECT_EQ(GetReason(cache.Acquire("c", 1, Loads("c", 11), CancelToken()).status()), "MODEL_TOO_LARGE");
  EXPECT_EQ(cache.used_bytes(), 8);
  EXPECT_TRUE(Use(cache, "a", 8));
}

TEST(PinnedLruCacheTest, OneThatCannotFitEvictsNothing) {
  Cache cache({.budget_bytes = 10});
  Use(cache, "a", 4);
  const auto held = cache.Acquire("held", 4, Loads("held", 4), CancelToken());
  const absl::Status refused = cache.Acquire("huge", 11, Loads("huge", 11), CancelToken()).status();
  EXPECT_THAT(std::string(refused.message()), HasSubstr("huge needs 11 bytes; the budget is 10 bytes, 4 of them"));
  EXPECT_FALSE(cache.Acquire("large", 7, Loads("large", 7), CancelToken()).ok());
  EXPECT_TRUE(cache.Contains("a"));
  EXPECT_FALSE(Use(cache, "b", 6));
  EXPECT_FALSE(cache.Contains("a"));
}

TEST(PinnedLruCacheTest, AMeasuredSizeThatDoesNotFitIsRefusedAndRemembered) {
  Cache cache({.budget_bytes = 10, .failure_backoff = std::chrono::hours(24)});
  auto held = *cache.Acquire("held", 6, Loads("held", 6), CancelToken());
  int loads = 0;
  const Cache::Load load = [&]() -> absl::StatusOr<Cache::Loaded> {
    ++loads;
    return Cache::Loaded{std::make_shared<std::string>("b"), 5};
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(GetReason(cache.Acquire("b", 1, load, CancelToken()).status()), "MODEL_TOO_LARGE");
    EXPECT_EQ(cache.used_bytes(), 6);
  }
  EXPECT_EQ(loads, 1);
  held.value.reset();
  EXPECT_TRUE(cache.Acquire("b", 1, load, CancelToken()).ok());
  EXPECT_FALSE(cache.Contains("held"));
}

TEST(PinnedLruCacheTest, TheMeasuredSizeIsCharged) {
  Cache cache({.budget_bytes = 10});
  Use(cache, "a", 4);
  ASSERT_TRUE(cache.Acquire("b", 1, Loads("b", 8), CancelToken()).ok());
  // a had to go for what b really took.
  EXPECT_FALSE(cache.Contains("a"));
  EXPECT_EQ(cache.used_bytes(), 8);
}

TEST(PinnedLruCacheTest, ManyCallersOfOneKeyLoadItOnce) {
  Cache cache({.budget_bytes = 10});
  std::atomic<int> loads = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      const auto pinned = cache.Acquire(
          "a", 1,
          [&]() -> absl::StatusOr<Cache::Loaded> {
            ++loads;
            std::this_thread::yield();
            return Cache::Loaded{std::make_shared<std::string>("a"), 1};
          },
          CancelToken());
      EXPECT_EQ(*pinned->value, "a");
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(loads, 1);
}

TEST(PinnedLruCacheTest, AFailedLoadIsToldToAllWhoWaitedAndTriedAgainAfterTheBackoff) {
  std::atomic<int64_t> seconds = 0;
  Cache cache({.budget_bytes = 10, .failure_backoff = std::chrono::seconds(5), .now = [&] {
                 return Clock::time_point(std::chrono::seconds(seconds));
               }});
  std::promise<void> entered, open;
  std::atomic<int> loads = 0;
  const Cache::Load fails = [&]() -> absl::StatusOr<Cache::Loaded> {
    if (++loads == 1) {
      entered.set_value();
      open.get_future().wait();
    }
    return absl::DataLossError("corrupt");
  };
  std::thread first([&] { EXPECT_EQ(cache.Acquire("a", 1, fails, CancelToken()).status().message(), "corrupt"); });
  entered.get_future().wait();
  std::thread second([&] { EXPECT_EQ(cache.Acquire("a", 1, fails, CancelToken()).status().message(), "corrupt"); });
  open.set_value();
  first.join();
  second.join();
  EXPECT_EQ(cache.Acquire("a", 1, fails, CancelToken()).status().message(), "corrupt");
  EXPECT_EQ(loads, 1);
  seconds = 6;
  EXPECT_TRUE(cache.Acquire("a", 1, Loads("a", 1), CancelToken()).ok());
  EXPECT_EQ(cache.used_bytes(), 1);
}

TEST(PinnedLruCacheTest, ACancelledWaiterLeavesWhileTheLoadGoesOn) {
  Cache cache({.budget_bytes = 10});
  std::promise<void> entered, open;
  std::thread loader([&] {
    const auto pinned = cache.Acquire(
        "a", 1,
        [&]() -> absl::StatusOr<Cache::Loaded> {
          entered.set_value();
          open.get_future().wait();
          return Cache::Loaded{std::make_shared<std::string>("a"), 1};
        },
        CancelToken());
    EXPECT_TRUE(pinned.ok());
  });
  entered.get_future().wait();
  const CancelToken cancel;
  std::thread waiter(
      [&] { EXPECT_EQ(cache.Acquire("a", 1, Loads("a", 1), cancel).status().code(), absl::StatusCode::kCancelled); });
  cancel.Cancel();
  waiter.join();
  open.set_value();
  loader.join();
  EXPECT_TRUE(Use(cache, "a", 1));
}

TEST(PinnedLruCacheTest, ShortMemoryEvictsIdleOnesThenRefuses) {
  double used = 0.5;
  Cache cache({.budget_bytes = 100, .used_fraction = [&] { return used; }});
  Use(cache, "idle", 1);
  const auto held = cache.Acquire("held", 1, Loads("held", 1), CancelToken());
  used = 0.86;
  EXPECT_FALSE(Use(cache, "a", 1));
  EXPECT_FALSE(cache.Contains("idle"));
  EXPECT_TRUE(cache.Contains("held"));
  used = 0.95;
  const absl::Status refused = cache.Acquire("b", 1, Loads("b", 1), CancelToken()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(cache.Contains("a"));
  EXPECT_TRUE(Use(cache, "held", 1));
}

TEST(PinnedLruCacheTest, PressureEvictsNoMoreThanItMust) {
  double used = 0.5;
  int returned = 0;
  std::vector<std::string> evicted;
  Cache* itself = nullptr;
  Cache cache({.budget_bytes = 100,
               .used_fraction =
                   [&] {
                     itself->used_bytes();  // Not under the lock.
                     return used;
                   },
               .after_evict = [&] { ++returned; },
               .observer = {.on_evict = [&](const std::string& key, Clock::duration) {
                 evicted.push_back(key);
                 used -= 0.04;
               }}});
  itself = &cache;
  for (const char* const key : {"a", "b", "c", "d"}) Use(cache, key, 1);
  used = 0.92;
  EXPECT_FALSE(Use(cache, "e", 1));
  EXPECT_THAT(evicted, ElementsAre("a", "b"));
  EXPECT_EQ(returned, 2);
  used = 0.86;
  EXPECT_EQ(cache.Sweep(), 1);
  EXPECT_THAT(evicted, ElementsAre("a", "b", "c"));
}

TEST(PinnedLruCacheTest, ARefusalUnderPressureIsNoFailureOfTheLoad) {
  double used = 0.95;
  int loads = 0;
  Cache cache({.budget_bytes = 100,
               .used_fraction = [&] { return used; },
               .failure_backoff = std::chrono::hours(24),
               .observer = {.on_load = [&](const std::string&, const absl::Status&, Clock::duration) { ++loads; }}});
  EXPECT_FALSE(cache.Acquire("a", 1, Loads("a", 1), CancelToken()).ok());
  EXPECT_EQ(loads, 0);
  EXPECT_EQ(cache.used_bytes(), 0);
  used = 0.5;
  EXPECT_TRUE(cache.Acquire("a", 1, Loads("a", 1), CancelToken()).ok());
}

TEST(PinnedLruCacheTest, AgeCountsFromTheEndOfTheLastUse) {
  int64_t seconds = 0;
  Cache cache({.budget_bytes = 2, .ttl = std::chrono::seconds(60), .now = [&] {
                 return Clock::time_point(std::chrono::seconds(seconds));
               }});
  auto held = *cache.Acquire("held", 1, Loads("held", 1), CancelToken());
  seconds = 100;
  Use(cache, "b", 1);
  held.value.reset();
  EXPECT_EQ(cache.Sweep(), 0);
  // So does the order: b was acquired later, but is longer out of use.
  Use(cache, "c", 1);
  EXPECT_TRUE(cache.Contains("held"));
  EXPECT_FALSE(cache.Contains("b"));
  // Acquiring one drops others that are too old; one that is asked for is not too old.
  seconds = 160;
  EXPECT_TRUE(Use(cache, "c", 1));
  EXPECT_FALSE(cache.Contains("held"));
}

TEST(PinnedLruCacheTest, AHandleOutlivesTheCache) {
  auto cache = std::make_unique<Cache>(CacheOptions{.budget_bytes = 1});
  auto held = *cache->Acquire("a", 1, Loads("a", 1), CancelToken());
  cache.reset();
  EXPECT_EQ(*held.value, "a");
}

TEST(PinnedLruCacheTest, WhoWaitsForALoadGetsItAndCountsAsAMiss) {
  std::atomic<int> hits = 0, misses = 0;
  Cache cache(
      {.budget_bytes = 1, .observer = {.on_use = [&](const std::string&, bool hit) { ++(hit ? hits : misses); }}});
  HeldLoad load(cache, "a");
  std::thread waiter([&] {
    const auto pinned = cache.Acquire("a", 1, Loads("other", 1), CancelToken());
    EXPECT_EQ(*pinned->value, "a");
    EXPECT_FALSE(pinned->hit);
  });
  while (misses < 2) std::this_thread::yield();
  load.Finish();
  waiter.join();
  EXPECT_EQ(hits, 0);
  EXPECT_TRUE(Use(cache, "a", 1));
  EXPECT_EQ(hits, 1);
}

TEST(PinnedLruCacheTest, IdleOnesGoAfterTheirTime) {
  int64_t seconds = 0;
  std::vector<int64_t> ages;
  Cache cache({.budget_bytes = 100,
               .ttl = std::chrono::seconds(60),
               .now = [&] { return Clock::time_point(std::chrono::seconds(seconds)); },
               .observer = {.on_evict = [&](const std::string&, Clock::duration age) {
                 ages.push_back(std::chrono::duration_cast<std::chrono::seconds>(age).count());
               }}});
  Use(cache, "a", 1);
  auto held = *cache.Acquire("held", 1, Loads("held", 1), CancelToken());
  seconds = 30;
  Use(cache, "b", 1);
  seconds = 61;
  EXPECT_EQ(cache.Sweep(), 1);
  EXPECT_THAT(ages, ElementsAre(61));
  EXPECT_TRUE(cache.Contains("b"));
  held.value.reset();
  seconds = 200;
  EXPECT_EQ(cache.Sweep(), 2);
  EXPECT_EQ(cache.used_bytes(), 0);
}

// Calls the cache when it is destroyed.
struct Talkative {
  PinnedLruCache<Talkative>* cache = nullptr;
  ~Talkative() { cache->used_bytes(); }
};

TEST(PinnedLruCacheTest, VictimsAreDestroyedOutsideTheLock) {
  PinnedLruCache<Talkative> cache({.budget_bytes = 1});
  for (const char* key : {"a", "b"}) {
    const auto load = [&]() -> absl::StatusOr<PinnedLruCache<Talkative>::Loaded> {
      auto value = std::make_shared<Talkative>();
      value->cache = &cache;
      return PinnedLruCache<Talkative>::Loaded{value, 1};
    };
    ASSERT_TRUE(cache.Acquire(key, 1, load, CancelToken()).ok());
  }
  EXPECT_EQ(cache.EvictIdle(), 1);
}

TEST(PinnedLruCacheTest, WhatFittedOnceFitsAgainHoweverItIsMeasured) {
  Cache cache({.budget_bytes = 10});
  for (const int64_t measured : {6, 11, 2}) {
    {
      const auto pinned = cache.Acquire("a", 1, Loads("a", measured), CancelToken());
      ASSERT_TRUE(pinned.ok()) << pinned.status();
      EXPECT_FALSE(pinned->hit);
      EXPECT_EQ(cache.used_bytes(), 6);
    }
    cache.EvictIdle();
  }
}

TEST(PinnedLruCacheTest, WhatFitsWaitsForTheValuesInUse) {
  Cache cache({.budget_bytes = 10, .max_wait = std::chrono::minutes(10)});
  auto held = *cache.Acquire("held", 6, Loads("held", 6), CancelToken());
  std::thread waiter([&] { EXPECT_FALSE(Use(cache, "waits", 6)); });
  // What can never fit is refused at once.
  EXPECT_EQ(GetReason(cache.Acquire("huge", 11, Loads("huge", 11), CancelToken()).status()), "MODEL_TOO_LARGE");
  held.value.reset();
  waiter.join();
  EXPECT_TRUE(cache.Contains("waits"));
  EXPECT_FALSE(cache.Contains("held"));
}

TEST(PinnedLruCacheTest, WaitingForRoomEndsWithTheTimeOrTheCaller) {
  Cache cache({.budget_bytes = 10, .max_wait = std::chrono::milliseconds(1)});
  const auto held = *cache.Acquire("held", 6, Loads("held", 6), CancelToken());
  EXPECT_THAT(std::string(cache.Acquire("b", 6, Loads("b", 6), CancelToken()).status().message()),
              HasSubstr("6 of them in use"));
  Cache patient({.budget_bytes = 10, .max_wait = std::chrono::minutes(10)});
  const auto kept = *patient.Acquire("held", 6, Loads("held", 6), CancelToken());
  const CancelToken cancel;
  std::thread canceller([&] { cancel.Cancel(); });
  EXPECT_TRUE(absl::IsCancelled(patient.Acquire("b", 6, Loads("b", 6), cancel).status()));
  canceller.join();
  const CancelToken late;
  late.SetDeadline(Clock::now() + std::chrono::milliseconds(1));
  EXPECT_TRUE(absl::IsDeadlineExceeded(patient.Acquire("b", 6, Loads("b", 6), late).status()));
  // Nobody is left in the queue.
  EXPECT_TRUE(Use(patient, "held", 6));
}

TEST(PinnedLruCacheTest, OneThatProvesLargerWaitsForRoomAndIsLoadedAgain) {
  Cache cache({.budget_bytes = 10, .max_wait = std::chrono::minutes(10)});
  auto held = *cache.Acquire("held", 6, Loads("held", 6), CancelToken());
  std::atomic<int> loads = 0;
  std::thread waiter([&] {
    const auto pinned = cache.Acquire(
        "b", 1,
        [&]() -> absl::StatusOr<Cache::Loaded> {
          ++loads;
          return Cache::Loaded{std::make_shared<std::string>("b"), 5};
        },
        CancelToken());
    EXPECT_TRUE(pinned.ok()) << pinned.status();
  });
  while (loads == 0) std::this_thread::yield();
  held.value.reset();
  waiter.join();
  EXPECT_EQ(cache.used_bytes(), 5);
}

TEST(PinnedLruCacheTest, KeysThatOnlyFitOneByOneAllGetTheirTurn) {
  Cache cache({.budget_bytes = 10, .max_wait = std::chrono::minutes(10)});
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  // Six threads hold one key nearly always; two others want another.
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const std::string key = t < 6 ? "popular" : "other";
      for (int i = 0; i < 40; ++i) {
        const auto pinned = cache.Acquire(key, 6, Loads(key, 6), CancelToken());
        if (!pinned.ok() || *pinned->value != key) ++wrong;
        std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(cache.used_bytes(), 6);
}

TEST(PinnedLruCacheTest, ManyThreadsManyKeys) {
  constexpr uint32_t kSeed = 5;
  SCOPED_TRACE(kSeed);
  std::atomic<int64_t> most = 0;
  Cache cache(
      {.budget_bytes = 10, .observer = {.on_used = [&](int64_t used) { most = std::max<int64_t>(most, used); }}});
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(kSeed + t);
      for (int i = 0; i < 300; ++i) {
        const std::string key(1, static_cast<char>('a' + random() % 12));
        const auto pinned = cache.Acquire(key, 2, Loads(key, 2), CancelToken());
        EXPECT_TRUE(!pinned.ok() || *pinned->value == key);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 10);
  cache.EvictIdle();
  EXPECT_EQ(cache.used_bytes(), 0);
}

}  // namespace
}  // namespace reelsight::cache
