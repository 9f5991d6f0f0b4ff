// SPDX-License-Identifier: Apache-2.0
//
// How long a batch waits for more, by a clock that the tests set, and what observers hear of it.
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/batching/dynamic_batcher.h"
#include "shared/batching/gated_run_test_support.h"

namespace reelsight::batching {
namespace {

using ::testing::ElementsAre;

TEST(DynamicBatcherHoldTest, ObserversHearOfTheQueueOfWaitsAndOfBatches) {
  using std::chrono::milliseconds;
  const auto in_ms = [](auto duration) { return std::chrono::duration_cast<milliseconds>(duration).count(); };
  milliseconds clock = {};
  std::vector<std::string> told;
  const auto tell = [&](const auto&... parts) { told.push_back(absl::StrCat(parts...)); };
  Batcher batcher({.max_batch = 2,
                   .now = [&] { return std::chrono::steady_clock::time_point(clock); },
                   .observer = {.on_batch = [&](int size, auto run) { tell("batch of ", size, ": ", in_ms(run)); },
                                .on_start = [&](auto waited) { tell("waited ", in_ms(waited)); },
                                .on_limit = [&](int limit, bool memory) { tell("limit ", limit, memory ? "!" : ""); },
                                .on_queue = [&](int64_t queued) { tell("queue ", queued); }}},
                  OneKey, [&](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
                    clock += 5 * milliseconds(batch.size());
                    return Doubled(batch);
                  });
  EXPECT_TRUE(batcher.Run("a", {1, 2, 3}, CancelToken()).ok());
  EXPECT_THAT(told, ElementsAre("limit 2", "queue 3", "queue 1", "waited 0", "waited 0", "batch of 2: 10", "queue 0",
                                "waited 10", "batch of 1: 5"));
}

TEST(DynamicBatcherHoldTest, ObserversHearOfEachLimitAndWhetherMemoryMadeIt) {
  std::vector<std::string> limits;
  Batcher batcher(
      {.max_batch = 4,
       .start_batch = 2,
       .probe_after = 1,
       .observer = {.on_limit = [&](int limit,
                                    bool memory) { limits.push_back(absl::StrCat(limit, memory ? "!" : "")); }}},
      OneKey, [](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
        if (batch.size() > 2) return absl::ResourceExhaustedError("out of memory");
        return Doubled(batch);
      });
  EXPECT_TRUE(batcher.Run("a", Range(0, 7), CancelToken()).ok());
  EXPECT_THAT(limits, ElementsAre("2", "3", "2!", "3"));
}

TEST(DynamicBatcherHoldTest, AFullBatchDoesNotWaitForTheHoldTime) {
  Batcher batcher({.max_batch = 2, .hold_time = std::chrono::hours(24)}, OneKey,
                  [](IntBatch batch) -> absl::StatusOr<std::vector<int>> { return Doubled(batch); });
  EXPECT_THAT(*batcher.Run("a", {1, 2}, CancelToken()), ElementsAre(2, 4));
}

TEST(DynamicBatcherHoldTest, AHalfFullBatchWaitsForMore) {
  std::atomic<size_t> largest = 0;
  Batcher batcher({.max_batch = 2, .hold_time = std::chrono::hours(24)}, OneKey,
                  [&](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
                    largest = std::max<size_t>(largest, batch.size());
                    return Doubled(batch);
                  });
  std::thread one([&] { EXPECT_THAT(*batcher.Run("a", {1}, CancelToken()), ElementsAre(2)); });
  WaitForQueue(batcher, 1);
  EXPECT_THAT(*batcher.Run("b", {2}, CancelToken()), ElementsAre(4));
  one.join();
  EXPECT_EQ(largest, 2u);
}

TEST(DynamicBatcherHoldTest, AHalfFullBatchRunsWhenItsTimeIsUp) {
  std::atomic<int64_t> clock_ms = 0;
  Batcher batcher(
      {.max_batch = 2,
       .hold_time = std::chrono::milliseconds(50),
       .now = [&] { return std::chrono::steady_clock::time_point(std::chrono::milliseconds(clock_ms += 10)); }},
      OneKey, [](IntBatch batch) -> absl::StatusOr<std::vector<int>> { return Doubled(batch); });
  EXPECT_THAT(*batcher.Run("a", {1}, CancelToken()), ElementsAre(2));
}

TEST(DynamicBatcherHoldTest, TheHoldTimeCountsFromTheOldestItem) {
  std::atomic<int64_t> clock_ms = 0;
  GatedRun run;
  Batcher batcher({.max_batch = 3,
                   .hold_time = std::chrono::milliseconds(50),
                   .now = [&] { return std::chrono::steady_clock::time_point(std::chrono::milliseconds(clock_ms)); }},
                  OneKey, run.function());
  {
    Callers callers(batcher);
    callers.Add("a", {1});
    clock_ms = 40;
    callers.Add("b", {2});
    // Exactly, and not at 90.
    clock_ms = 50;
    run.WaitUntilEntered();
    run.Open();
  }
  EXPECT_THAT(run.batches(), ElementsAre(ElementsAre(1, 2)));
}

TEST(DynamicBatcherHoldTest, NothingIsHeldShorterThanTheHoldTime) {
  using std::chrono::milliseconds;
  int64_t clock_ms = 0;
  milliseconds waited = {};
  Batcher batcher(
      {.max_batch = 2,
       .hold_time = milliseconds(20),
       .now = [&] { return std::chrono::steady_clock::time_point(milliseconds(++clock_ms)); },
       .observer = {.on_start = [&](auto time) { waited = std::chrono::duration_cast<milliseconds>(time); }}},
      OneKey, [](IntBatch batch) -> absl::StatusOr<std::vector<int>> { return Doubled(batch); });
  EXPECT_TRUE(batcher.Run("a", {1}, CancelToken()).ok());
  EXPECT_GE(waited, milliseconds(20));
}

TEST(DynamicBatcherHoldTest, ItemsOfOtherKeysDoNotFillABatch) {
  for (const int other : {1, 3}) {
    GatedRun run;
    run.Open();
    Batcher batcher(
        {.max_batch = 2, .hold_time = std::chrono::hours(24)},
        [](const int& item) { return std::to_string(item % 10); }, run.function());
    std::thread one([&] { EXPECT_TRUE(batcher.Run("a", {2}, CancelToken()).ok()); });
    WaitForQueue(batcher, 1);
    const CancelToken cancel;
    std::thread alone([&] { EXPECT_TRUE(absl::IsCancelled(batcher.Run("b", {other}, cancel).status())); });
    WaitForQueue(batcher, 2);
    EXPECT_TRUE(batcher.Run("c", {12}, CancelToken()).ok());
    one.join();
    cancel.Cancel();
    alone.join();
    EXPECT_THAT(run.batches(), ElementsAre(ElementsAre(2, 12)));
  }
}

}  // namespace
}  // namespace reelsight::batching
