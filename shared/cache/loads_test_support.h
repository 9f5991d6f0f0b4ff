// SPDX-License-Identifier: Apache-2.0
//
// A cache of strings for tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "shared/cache/pinned_lru_cache.h"

namespace reelsight::cache {

using Cache = PinnedLruCache<std::string>;
using Clock = std::chrono::steady_clock;

inline Cache::Load Loads(const std::string& value, int64_t bytes) {
  return [=]() -> absl::StatusOr<Cache::Loaded> { return Cache::Loaded{std::make_shared<std::string>(value), bytes}; };
}

// Acquires and lets go; true if it was a hit.
inline bool Use(Cache& cache, const std::string& key, int64_t bytes) {
  const auto pinned = cache.Acquire(key, bytes, Loads(key, bytes), CancelToken());
  EXPECT_TRUE(pinned.ok()) << pinned.status();
  return pinned.ok() && pinned->hit;
}

}  // namespace reelsight::cache
