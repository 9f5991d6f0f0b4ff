// SPDX-License-Identifier: Apache-2.0
#include "shared/batching/dynamic_batcher.h"

#include <time.h>

#include <atomic>
#include <future>
#include <numeric>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/testing/wait.h"

namespace reelsight::batching {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

using Batcher = DynamicBatcher<int, int>;
using IntBatch = std::span<int* const>;

std::string OneKey(const int&) { return ""; }

std::vector<int> Doubled(IntBatch batch) {
  std::vector<int> results;
  for (const int* item : batch) results.push_back(*item * 2);
  return results;
}

std::vector<int> Range(int begin, int end) {
  std::vector<int> values(static_cast<size_t>(end - begin));
  std::iota(values.begin(), values.end(), begin);
  return values;
}

// Records batches; the first one waits until Open.
class GatedRun {
 public:
  Batcher::RunBatch function() {
    return [this](IntBatch batch) -> absl::StatusOr<std::vector<int>> {
      bool first = false;
      {
        const MutexLock lock(mutex_);
        first = batches_.empty();
        batches_.emplace_back();
        for (const int* item : batch) batches_.back().push_back(*item);
      }
      if (first) {
        entered_.set_value();
        open_.get_future().wait();
      }
      return Doubled(batch);
    };
  }
  void WaitUntilEntered() { entered_.get_future().wait(); }
  void Open() { open_.set_value(); }
  std::vector<std::vector<int>> batches() {
    const MutexLock lock(mutex_);
    return batches_;
  }

 private:
  Mutex mutex_;
  std::vector<std::vector<int>> batches_ ABSL_GUARDED_BY(mutex_);
  std::promise<void> entered_, open_;
};

void WaitForQueue(const Batcher& batcher, int64_t queued) {
  while (batcher.queued() != queued) std::this_thread::yield();
}

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

// Each waits until the one before is queued, so that the order is known.
class Callers {
 public:
  explicit Callers(Batcher& batcher) : batcher_(batcher) {}
  ~Callers() {
    for (std::thread& thread : threads_) thread.join();
  }
  void Add(const std::string& client, std::vector<int> items) {
    queued_ += static_cast<int64_t>(items.size());
    threads_.emplace_back([this, client, items] { EXPECT_TRUE(batcher_.Run(client, items, CancelToken()).ok()); });
    WaitForQueue(batcher_, queued_);
  }

 private:
  Batcher& batcher_;
  int64_t queued_ = 0;
  std::vector<std::thread> threads_;
};

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

TEST(DynamicBatcherTest, AFullBatchDoesNotWaitForTheHoldTime) {
  Batcher batcher({.max_batch = 2, .hold_time = std::chrono::hours(24)}, OneKey,
                  [](IntBatch batch) -> absl::StatusOr<std::vector<int>> { return Doubled(batch); });
  EXPECT_THAT(*batcher.Run("a", {1, 2}, CancelToken()), ElementsAre(2, 4));
}

TEST(DynamicBatcherTest, AHalfFullBatchWaitsForMore) {
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

TEST(DynamicBatcherTest, AHalfFullBatchRunsWhenItsTimeIsUp) {
  std::atomic<int64_t> clock_ms = 0;
  Batcher batcher(
      {.max_batch = 2,
       .hold_time = std::chrono::milliseconds(50),
       .now = [&] { return std::chrono::steady_clock::time_point(std::chrono::milliseconds(clock_ms += 10)); }},
      OneKey, [](IntBatch batch) -> absl::StatusOr<std::vector<int>> { return Doubled(batch); });
  EXPECT_THAT(*batcher.Run("a", {1}, CancelToken()), ElementsAre(2));
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
