// SPDX-License-Identifier: Apache-2.0
//
// Runs a function again and again on a thread of its own: upkeep that belongs on no request's thread, as dropping what
// nobody used for long or giving memory back to the system. Unlike a Timer's functions, it may take its time.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "shared/base/mutex.h"

namespace reelsight::concurrency {

// Thread-safe. A program has one for all its upkeep, or an owner of something to be kept up has its own.
class Ticker {
 public:
  // Runs `function` each time `period` has passed since its last run ended, so that slow runs never pile up; for the
  // first time after one period. REQUIRES: period > 0; the function throws nothing, and outlives the ticker in what it
  // borrows.
  Ticker(std::chrono::steady_clock::duration period, std::function<void()> function);
  // Waits for a run under way, and starts none.
  ~Ticker();
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

 private:
  void RunEachPeriod();
  // False if it is time to stop.
  bool SleepOnePeriod();

  const std::chrono::steady_clock::duration period_;
  const std::function<void()> function_;

  Mutex mutex_;
  CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace reelsight::concurrency
