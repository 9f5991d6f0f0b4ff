// SPDX-License-Identifier: Apache-2.0
#include "shared/concurrency/timer.h"

#include <utility>

namespace reelsight::concurrency {

Timer::Timer() : thread_([this] { Work(); }) {}

Timer::~Timer() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void Timer::RunAt(Clock::time_point when, std::function<void()> function) {
  {
    MutexLock lock(mutex_);
    waiting_.emplace(when, std::move(function));
  }
  changed_.NotifyAll();
}

void Timer::Work() {
  while (true) {
    std::function<void()> function;
    {
      MutexLock lock(mutex_);
      while (true) {
        if (waiting_.empty()) {
          if (stopping_) return;
          changed_.Wait(mutex_);
        } else if (stopping_ || waiting_.begin()->first <= Clock::now()) {
          break;
        } else {
          changed_.WaitUntil(mutex_, waiting_.begin()->first);
        }
      }
      function = std::move(waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
    }
    function();
  }
}

}  // namespace reelsight::concurrency
