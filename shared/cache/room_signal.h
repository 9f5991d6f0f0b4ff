// SPDX-License-Identifier: Apache-2.0
//
// How those who wait for room in a cache hear that there may be some.
#pragma once

#include <chrono>
#include <cstdint>

#include "shared/base/mutex.h"

namespace reelsight::cache {

// Thread-safe. Rings when there may be room: a value is no longer in use, a load ended, a caller left the queue.
// Outlives the cache, as handles do.
class RoomSignal {
 public:
  void Ring() {
    {
      const MutexLock lock(mutex_);
      ++rings_;
    }
    rung_.NotifyAll();
  }
  uint64_t rings() const {
    const MutexLock lock(mutex_);
    return rings_;
  }
  // Until it has rung more than `rings` times.
  void WaitAfter(uint64_t rings, std::chrono::steady_clock::time_point until) {
    const MutexLock lock(mutex_);
    while (rings_ == rings && std::chrono::steady_clock::now() < until) {
      if (until == std::chrono::steady_clock::time_point::max()) {
        rung_.Wait(mutex_);
      } else {
        rung_.WaitUntil(mutex_, until);
      }
    }
  }

 private:
  mutable Mutex mutex_;
  CondVar rung_;
  uint64_t rings_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace reelsight::cache
