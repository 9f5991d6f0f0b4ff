// SPDX-License-Identifier: Apache-2.0
#include "shared/batching/dynamic_batcher.h"

#include <time.h>

#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/batching/gated_run_test_support.h"
#include "shared/testing/wait.h"

namespace reelsight::batching {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

TEST(DynamicBatcherTest, AnOversizedRequestIsSplitAndKeepsItsOrder) {
  std::vector<size_t> sizes;
  Batcher batcher({.max_batch = 4}, OneKey, [&](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
    sizes.push_back(batch.size());
    return Doubled(batch);
  });
  const auto results = batcher.Run("a", Range(0, 10), CancelToken());
  ASSERT_TRUE(results.ok());
  EXPECT_THAT(*results, ElementsAre(0, 2, 4, 6, 8, 10, 12, 14, 16, 18));
  EXPECT_THAT(sizes, ElementsAre(4, 4, 2));
  EXPECT_TRUE(batcher.Run("a", {}, CancelToken())->empty());
}

TEST(DynamicBatcherTest, ItemsOfDifferentCallersRunTogetherInTurns) {
  GatedRun run;
  Batcher batcher({.max_batch = 4}, OneKey, run.function());
  std::vector<std::thread> callers;
  callers.emplace_back([&] { EXPECT_TRUE(batcher.Run("first", {0}, CancelToken()).ok()); });
  run.WaitUntilEntered();
  callers.emplace_back([&] { EXPECT_THAT(*batcher.Run("a", {10, 11, 12, 13, 14, 15}, CancelToken()), Contains(30)); });
  WaitForQueue(batcher, 6);
  callers.emplace_back([&] { EXPECT_THAT(*batcher.Run("b", {20, 21}, CancelToken()), ElementsAre(40, 42)); });
  WaitForQueue(batcher, 8);
  run.Open();
  for (std::thread& caller : callers) caller.join();
  // b's two do not wait for a's six.
  ASSERT_GE(run.batches().size(), 3u);
  EXPECT_THAT(run.batches()[1], ElementsAre(10, 20, 11, 21));
}

TEST(DynamicBatcherTest, OnlyEqualKeysGoTogether) {
  GatedRun run;
  Batcher batcher(
      {.max_batch = 8}, [](const int& item) { return std::to_string(item % 2); }, run.function());
  std::thread first([&] { EXPECT_TRUE(batcher.Run("first", {0}, CancelToken()).ok()); });
  run.WaitUntilEntered();
  std::thread mixed([&] { EXPECT_THAT(*batcher.Run("a", {1, 2, 3, 4}, CancelToken()), ElementsAre(2, 4, 6, 8)); });
  WaitForQueue(batcher, 4);
  run.Open();
  first.join();
  mixed.join();
  EXPECT_THAT(run.batches(), ElementsAre(ElementsAre(0), ElementsAre(1, 3), ElementsAre(2, 4)));
}

TEST(DynamicBatcherTest, OutOfMemoryHalvesDownToOneAndIsRemembered) {
  constexpr size_t kFits = 2;
  std::vector<size_t> sizes;
  std::vector<int> limits;
  Batcher batcher({.max_batch = 16,
                   .probe_after = 3,
                   .observer = {.on_limit =
                                    [&](int limit, bool out_of_memory) {
                                      if (out_of_memory) limits.push_back(limit);
                                    }}},
                  OneKey, [&](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
                    sizes.push_back(batch.size());
                    if (batch.size() > kFits) return absl::ResourceExhaustedError("out of memory");
                    return Doubled(batch);
                  });
  EXPECT_EQ(batcher.Run("a", Range(0, 16), CancelToken())->at(15), 30);
  EXPECT_TRUE(batcher.Run("a", Range(0, 60), CancelToken()).ok());
  EXPECT_EQ(batcher.limit(), 2);
  // Halved three times; then 3, one more than what is known to be good, was tried after 3, 6 and 12 full batches.
  EXPECT_THAT(limits, ElementsAre(8, 4, 2, 2, 2, 2));
  std::erase_if(sizes, [](size_t size) { return size <= kFits; });
  EXPECT_THAT(sizes, ElementsAre(16, 8, 4, 3, 3, 3));
}

TEST(DynamicBatcherTest, MemoryThatGotScarcerHalvesAndMemoryThatCameBackIsUsed) {
  size_t fits = 64;
  std::vector<size_t> failed;
  Batcher batcher({.max_batch = 64, .probe_after = 2}, OneKey, [&](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
    if (batch.size() > fits) {
      failed.push_back(batch.size());
      return absl::ResourceExhaustedError("out of memory");
    }
    return Doubled(batch);
  });
  EXPECT_TRUE(batcher.Run("a", Range(0, 256), CancelToken()).ok());
  fits = 3;
  EXPECT_TRUE(batcher.Run("a", Range(0, 64), CancelToken()).ok());
  // Halves, although batches of 64 had been good; not 63, 62 and so on.
  EXPECT_THAT(std::vector<size_t>(failed.begin(), failed.begin() + 5), ElementsAre(64, 32, 16, 8, 4));
  fits = 64;
  EXPECT_TRUE(batcher.Run("a", Range(0, 100000), CancelToken()).ok());
  EXPECT_EQ(batcher.limit(), 64);
}

TEST(DynamicBatcherTest, StartsSmallerThanTheLargest) {
  std::vector<size_t> sizes;
  Batcher batcher({.max_batch = 3, .start_batch = 2, .probe_after = 2}, OneKey,
                  [&](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
                    sizes.push_back(batch.size());
                    return Doubled(batch);
                  });
  EXPECT_TRUE(batcher.Run("a", Range(0, 10), CancelToken()).ok());
  EXPECT_THAT(sizes, ElementsAre(2, 2, 3, 3));
}

TEST(DynamicBatcherTest, SingleItemsOfManyClientsRunInOrderOfArrival) {
  GatedRun run;
  Batcher batcher({.max_batch = 1}, OneKey, run.function());
  std::thread first([&] { EXPECT_TRUE(batcher.Run("first", {0}, CancelToken()).ok()); });
  run.WaitUntilEntered();
  {
    Callers callers(batcher);
    for (int i = 1; i <= 6; ++i) callers.Add(std::to_string(i), {i});
    run.Open();
  }
  first.join();
  std::vector<int> order;
  for (const std::vector<int>& batch : run.batches()) order.push_back(batch.front());
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4, 5, 6));
}

TEST(DynamicBatcherTest, ManyOfOneKeyDoNotStarveAnother) {
  GatedRun run;
  Batcher batcher(
      {.max_batch = 2}, [](const int& item) { return std::to_string(item % 2); }, run.function());
  std::thread first([&] { EXPECT_TRUE(batcher.Run("first", {0}, CancelToken()).ok()); });
  run.WaitUntilEntered();
  {
    Callers callers(batcher);
    callers.Add("a", {2, 4, 6});
    callers.Add("b", {1, 3});
    callers.Add("c", {12, 14, 16});
    run.Open();
  }
  first.join();
  // b, passed over by the first batch, has the next turn.
  EXPECT_THAT(run.batches(), ElementsAre(ElementsAre(0), ElementsAre(2, 12), ElementsAre(1, 3), ElementsAre(4, 14),
                                         ElementsAre(6, 16)));
}

// Processor time of the calling thread.
std::chrono::nanoseconds ThreadTime() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

TEST(DynamicBatcherTest, ALateCallerWhoseItemRunsSleepsUntilItsBatchEnds) {
  GatedRun run;
  std::promise<void> entered, open;
  const Batcher::RunBatch first_gate = run.function();
  Batcher batcher({.max_batch = 2}, OneKey, [&](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
    if (batch.size() == 2) {
      entered.set_value();
      open.get_future().wait();
    }
    return first_gate(batch);
  });
  std::thread first([&] { EXPECT_TRUE(batcher.Run("first", {0}, CancelToken()).ok()); });
  run.WaitUntilEntered();
  const CancelToken late;
  std::vector<std::thread> callers;
  for (const int item : {1, 2}) {
    callers.emplace_back([&, item] {
      EXPECT_EQ(batcher.Run(std::to_string(item), {item}, late).status().code(), absl::StatusCode::kDeadlineExceeded);
      EXPECT_LT(ThreadTime(), std::chrono::milliseconds(50));
    });
    WaitForQueue(batcher, item);
  }
  late.SetDeadline(std::chrono::steady_clock::now() + std::chrono::milliseconds(400));
  run.Open();
  entered.get_future().wait();
  // One of the two leads, the other is late: looking again and again until the end would cost it all of this.
  EXPECT_TRUE(testing::WaitUntil([&] { return late.cancelled(); }));
  testing::GiveFaultsTime(std::chrono::milliseconds(200));
  open.set_value();
  for (std::thread& caller : callers) caller.join();
  first.join();
}

TEST(DynamicBatcherTest, MemoryThatFitsNoSingleItemIsAnError) {
  Batcher batcher({.max_batch = 4}, OneKey, [](IntBatch) -> absl::StatusOr<std::vector<int>> {
    return absl::ResourceExhaustedError("out of memory");
  });
  EXPECT_EQ(batcher.Run("a", Range(0, 4), CancelToken()).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(batcher.limit(), 1);
  EXPECT_EQ(batcher.queued(), 0);
}

TEST(DynamicBatcherTest, SlowBatchesShrinkToTheirTarget) {
  std::atomic<int64_t> clock_ms = 0;
  Batcher batcher({.max_batch = 32,
                   .target_batch_duration = std::chrono::milliseconds(100),
                   .probe_after = 1000,
                   .now = [&] { return std::chrono::steady_clock::time_point(std::chrono::milliseconds(clock_ms)); }},
                  OneKey, [&](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
                    clock_ms += 20 * static_cast<int64_t>(batch.size());
                    return Doubled(batch);
                  });
  EXPECT_TRUE(batcher.Run("a", Range(0, 200), CancelToken()).ok());
  EXPECT_EQ(batcher.limit(), 5);
}

TEST(DynamicBatcherTest, AnErrorFailsItsBatchOnly) {
  Batcher batcher({.max_batch = 2}, OneKey, [](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
    if (*batch[0] < 0) return absl::InternalError("bad item");
    return Doubled(batch);
  });
  EXPECT_EQ(batcher.Run("a", {-1, 1, 2, 3}, CancelToken()).status().message(), "bad item");
  EXPECT_THAT(*batcher.Run("a", {1, 2}, CancelToken()), ElementsAre(2, 4));
}

TEST(DynamicBatcherTest, AWrongNumberOfResultsFailsEveryWaiter) {
  Batcher batcher({.max_batch = 4}, OneKey,
                  [](IntBatch) -> absl::StatusOr<std::vector<int>> { return std::vector<int>{1}; });
  EXPECT_EQ(batcher.Run("a", {1, 2}, CancelToken()).status().code(), absl::StatusCode::kInternal);
}

TEST(DynamicBatcherTest, CancelledItemsAreDroppedBeforeTheyAreBatched) {
  GatedRun run;
  Batcher batcher({.max_batch = 4}, OneKey, run.function());
  const CancelToken cancel;
  std::thread first([&] { EXPECT_TRUE(batcher.Run("first", {0}, CancelToken()).ok()); });
  run.WaitUntilEntered();
  std::thread cancelled([&] {
    EXPECT_EQ(batcher.Run("a", {1, 2, 3}, cancel).status().code(), absl::StatusCode::kCancelled);
  });
  WaitForQueue(batcher, 3);
  cancel.Cancel();
  // Returns although the engine is still busy with another's batch.
  cancelled.join();
  EXPECT_EQ(batcher.queued(), 0);
  run.Open();
  first.join();
  EXPECT_THAT(run.batches(), ElementsAre(ElementsAre(0)));
}

TEST(DynamicBatcherTest, DeadlinesReachItemsThatWait) {
  GatedRun run;
  Batcher batcher({.max_batch = 4}, OneKey, run.function());
  std::thread first([&] { EXPECT_TRUE(batcher.Run("first", {0}, CancelToken()).ok()); });
  run.WaitUntilEntered();
  const CancelToken late;
  late.SetDeadline(std::chrono::steady_clock::now() + std::chrono::milliseconds(5));
  EXPECT_EQ(batcher.Run("a", {1}, late).status().code(), absl::StatusCode::kDeadlineExceeded);
  run.Open();
  first.join();
}

TEST(DynamicBatcherTest, AFullQueueRefusesAtOnce) {
  GatedRun run;
  Batcher batcher({.max_batch = 1, .max_queued = 2}, OneKey, run.function());
  std::vector<std::thread> callers;
  callers.emplace_back([&] { EXPECT_TRUE(batcher.Run("first", {0}, CancelToken()).ok()); });
  run.WaitUntilEntered();
  callers.emplace_back([&] { EXPECT_TRUE(batcher.Run("a", {1, 2}, CancelToken()).ok()); });
  WaitForQueue(batcher, 2);
  const absl::Status full = batcher.Run("b", {3}, CancelToken()).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(full), "QUEUE_FULL");
  EXPECT_GT(GetRetryDelay(full), absl::ZeroDuration());
  run.Open();
  for (std::thread& caller : callers) caller.join();
}

TEST(DynamicBatcherTest, AQueueIsFullWhereOneMoreWouldBeTooMany) {
  GatedRun run;
  Batcher batcher({.max_batch = 1, .max_queued = 2}, OneKey, run.function());
  std::thread first([&] { EXPECT_TRUE(batcher.Run("first", {0}, CancelToken()).ok()); });
  run.WaitUntilEntered();
  {
    Callers callers(batcher);
    callers.Add("a", {1});
    EXPECT_EQ(GetReason(batcher.Run("b", {2, 3}, CancelToken()).status()), "QUEUE_FULL");
    callers.Add("b", {2});
    EXPECT_THAT(std::string(batcher.Run("c", {3}, CancelToken()).status().message()),
                ::testing::StartsWith("2 samples wait for the model already"));
    run.Open();
  }
  first.join();
  // More than may wait, where none does, is no reason to refuse: it could never be run.
  EXPECT_EQ(batcher.Run("a", Range(0, 5), CancelToken())->size(), 5u);
}

TEST(DynamicBatcherTest, ATooLargeNumberOfResultsIsWrongToo) {
  Batcher batcher({.max_batch = 4}, OneKey, [](IntBatch) -> absl::StatusOr<std::vector<int>> {
    return std::vector<int>{1, 2, 3};
  });
  EXPECT_EQ(batcher.Run("a", {1, 2}, CancelToken()).status().message(), "a batch of 2 gave 3 results");
  EXPECT_THAT(*batcher.Run("a", {1, 2, 3}, CancelToken()), ElementsAre(1, 2, 3));
}

TEST(DynamicBatcherTest, WhatIsLeftOfAFailedCallIsNotRun) {
  int batches = 0;
  Batcher batcher({.max_batch = 1}, OneKey, [&](IntBatch) -> absl::StatusOr<std::vector<int>> {
    ++batches;
    return absl::InternalError(absl::StrCat("batch ", batches));
  });
  EXPECT_EQ(batcher.Run("a", {1, 2, 3}, CancelToken()).status().message(), "batch 1");
  EXPECT_EQ(batches, 1);
  EXPECT_EQ(batcher.queued(), 0);
}

TEST(DynamicBatcherTest, ACancelledCallTakesNothingOfOthersWithIt) {
  GatedRun run;
  std::vector<int64_t> queued;
  Batcher batcher({.max_batch = 4, .observer = {.on_queue = [&](int64_t now) { queued.push_back(now); }}}, OneKey,
                  run.function());
  std::thread first([&] { EXPECT_TRUE(batcher.Run("first", {0}, CancelToken()).ok()); });
  run.WaitUntilEntered();
  {
    Callers callers(batcher);
    callers.Add("a", {1});
    callers.Add("m", {2});
    callers.Add("z", {3});
    const CancelToken cancel;
    std::thread cancelled([&] { EXPECT_TRUE(absl::IsCancelled(batcher.Run("m", {8, 9}, cancel).status())); });
    WaitForQueue(batcher, 5);
    cancel.Cancel();
    cancelled.join();
    EXPECT_EQ(batcher.queued(), 3);
    EXPECT_EQ(queued.back(), 3);
    run.Open();
  }
  first.join();
  EXPECT_THAT(run.batches(), ElementsAre(ElementsAre(0), ElementsAre(1, 2, 3)));
}

TEST(DynamicBatcherTest, AsManyBatchesRunAtOnceAsAllowed) {
  std::latch both(2);
  Batcher batcher({.max_batch = 1, .max_concurrent_batches = 2}, OneKey,
                  [&](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
                    both.arrive_and_wait();
                    return Doubled(batch);
                  });
  std::thread one([&] { EXPECT_TRUE(batcher.Run("a", {1}, CancelToken()).ok()); });
  EXPECT_TRUE(batcher.Run("b", {2}, CancelToken()).ok());
  one.join();
}

TEST(DynamicBatcherTest, TheLimitIsTriedAfterSixtyFourFullBatchesUnlessToldOtherwise) {
  Batcher batcher({.max_batch = 2, .start_batch = 1}, OneKey,
                  [](IntBatch batch) -> absl::StatusOr<std::vector<int>> { return Doubled(batch); });
  EXPECT_TRUE(batcher.Run("a", Range(0, 63), CancelToken()).ok());
  EXPECT_EQ(batcher.limit(), 1);
  EXPECT_TRUE(batcher.Run("a", {1}, CancelToken()).ok());
  EXPECT_EQ(batcher.limit(), 2);
}

TEST(DynamicBatcherTest, ManyCallersGetTheirOwnAndNoMoreRunAtOnceThanAllowed) {
  std::atomic<int> running = 0, most = 0;
  std::atomic<int> largest = 0;
  Batcher batcher({.max_batch = 5, .max_concurrent_batches = 2}, OneKey,
                  [&](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
                    const int now = ++running;
                    int before = most;
                    while (now > before && !most.compare_exchange_weak(before, now)) {
                    }
                    largest = std::max<int>(largest, static_cast<int>(batch.size()));
                    std::this_thread::yield();
                    --running;
                    return Doubled(batch);
                  });
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&, caller] {
      for (int turn = 0; turn < 50; ++turn) {
        const std::vector<int> items = Range(caller * 1000, caller * 1000 + turn % 13);
        const auto results = batcher.Run(std::to_string(caller % 3), items, CancelToken());
        ASSERT_TRUE(results.ok());
        for (size_t i = 0; i < items.size(); ++i) EXPECT_EQ((*results)[i], items[i] * 2);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_LE(most, 2);
  EXPECT_LE(largest, 5);
  EXPECT_EQ(batcher.queued(), 0);
}

}  // namespace
}  // namespace reelsight::batching
