// SPDX-License-Identifier: Apache-2.0
//
// Runs functions later, on one thread of its own. For retries and the like: the functions must be short.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include "shared/base/mutex.h"

namespace reelsight::concurrency {

// Thread-safe.
class Timer {
 public:
  using Clock = std::chrono::steady_clock;

  Timer();
  // Runs what is still waiting at once, so that nobody waits for it in vain, then stops.
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Runs `function` once, not before `when`.
  void RunAt(Clock::time_point when, std::function<void()> function);

 private:
  void Work();

  Mutex mutex_;
  CondVar changed_;
  std::multimap<Clock::time_point, std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace reelsight::concurrency
