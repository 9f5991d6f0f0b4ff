// SPDX-License-Identifier: Apache-2.0
//
// A cache of strings for tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "shared/cache/pinned_lru_cache.h"

namespace reelsight::cache {

using Cache = PinnedLruCache<std::string>;
using Clock = std::chrono::steady_clock;

inline Cache::Load Loads(const std::string& value, int64_t bytes) {
  return [=]() -> absl::StatusOr<Cache::Loaded> { return Cache::Loaded{std::make_shared<std::string>(value), bytes}; };
}

// A load that tells when it begins, and ends when it may. Used once.
class HeldLoad {
 public:
  HeldLoad(Cache& cache, const std::string& key)
      : thread_([this, &cache, key] {
          const Cache::Load load = [this, key]() -> absl::StatusOr<Cache::Loaded> {
            entered_.set_value();
            open_.get_future().wait();
            return Cache::Loaded{std::make_shared<std::string>(key), 1};
          };
          EXPECT_TRUE(cache.Acquire(key, 1, load, CancelToken()).ok());
        }) {
    entered_.get_future().wait();
  }
  // Blocks until it is loaded.
  void Finish() {
    open_.set_value();
    thread_.join();
  }

 private:
  std::promise<void> entered_, open_;
  std::thread thread_;
};

// Acquires and lets go; true if it was a hit.
inline bool Use(Cache& cache, const std::string& key, int64_t bytes) {
  const auto pinned = cache.Acquire(key, bytes, Loads(key, bytes), CancelToken());
  EXPECT_TRUE(pinned.ok()) << pinned.status();
  return pinned.ok() && pinned->hit;
}

}  // namespace reelsight::cache
