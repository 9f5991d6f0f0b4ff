// SPDX-License-Identifier: Apache-2.0
//
// Runs functions later, on one thread of its own. For retries and the like: the functions must be short.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "shared/base/mutex.h"

namespace reelsight::concurrency {

// Thread-safe.
class Timer {
 public:
  using Clock = std::chrono::steady_clock;
  // Names one function that waits.
  using Ticket = std::pair<Clock::time_point, int64_t>;

  Timer();
  // Runs what is still waiting at once, so that nobody waits for it in vain, then stops.
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Runs `function` once, not before `when`.
  Ticket RunAt(Clock::time_point when, std::function<void()> function);
  // Drops the function, with what it holds, unless its turn has come. Does not wait for it.
  void Cancel(const Ticket& ticket);

 private:
  void RunFunctions();

  Mutex mutex_;
  CondVar changed_;
  std::map<Ticket, std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  int64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// One for the whole process, never destroyed: for those whose functions may outlive every owner of a timer.
Timer& ProcessTimer();

}  // namespace reelsight::concurrency
