// SPDX-License-Identifier: Apache-2.0
//
// Batchers of numbers for tests, a run that can be held up, and callers that come one after the other.
#pragma once

#include <cstdint>
#include <future>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "shared/base/mutex.h"
#include "shared/batching/dynamic_batcher.h"

namespace reelsight::batching {

using Batcher = DynamicBatcher<int, int>;
using IntBatch = std::span<int* const>;

inline std::string OneKey(const int&) { return ""; }

inline std::vector<int> Doubled(IntBatch batch) {
  std::vector<int> results;
  for (const int* item : batch) results.push_back(*item * 2);
  return results;
}

inline std::vector<int> Range(int begin, int end) {
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

inline void WaitForQueue(const Batcher& batcher, int64_t queued) {
  while (batcher.queued() != queued) std::this_thread::yield();
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

}  // namespace reelsight::batching
