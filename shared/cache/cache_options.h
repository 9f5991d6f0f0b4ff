// SPDX-License-Identifier: Apache-2.0
//
// What a cache of loaded things keeps to, and whom it tells.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"

namespace reelsight::cache {

// Told what happens, for metrics. Not under the cache's lock, but for on_used.
struct CacheObserver {
  std::function<void(const std::string& key, bool hit)> on_use;
  std::function<void(const std::string& key, const absl::Status& status, std::chrono::steady_clock::duration took)>
      on_load;
  // `age`: since its last use.
  std::function<void(const std::string& key, std::chrono::steady_clock::duration age)> on_evict;
  std::function<void(int64_t used_bytes)> on_used;
};

struct CacheOptions {
  // Most bytes of all values together.
  int64_t budget_bytes = 0;
  // Values that nobody has in use for so long are dropped, by Sweep and whenever another is acquired; 0: never.
  std::chrono::steady_clock::duration ttl = {};
  // Share of the device's memory that is in use, in [0, 1], for memory that others take too; none: not looked at.
  // Called without the lock.
  std::function<double()> used_fraction;
  // Over it, idle values are evicted, one by one until it is not, before a load and by Sweep.
  double soft_fraction = 0.85;
  // Over it, after that, loads are refused.
  double hard_fraction = 0.90;
  // After a failed load the same error is given for so long without trying again, against reload storms; 0: never.
  std::chrono::steady_clock::duration failure_backoff = {};
  // How long Acquire waits for values in use to go, where the value fits into the budget without them. Who comes first
  // is served first; meanwhile those who want what is loaded wait too, a tenth as long. 0: refuses at once.
  std::chrono::steady_clock::duration max_wait = {};
  // Called after evicted values were destroyed, without the lock: gives memory that the allocator keeps back to the
  // system, so that used_fraction sees it.
  std::function<void()> after_evict;
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
  CacheObserver observer;
};

}  // namespace reelsight::cache
