// SPDX-License-Identifier: Apache-2.0
#include "shared/concurrency/timer.h"

#include <utility>

#include "shared/base/test_pause.h"

namespace reelsight::concurrency {

Timer::Timer() : thread_([this] { RunFunctions(); }) {}

Timer::~Timer() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

Timer::Ticket Timer::RunAt(Clock::time_point when, std::function<void()> function) {
  Ticket ticket;
  {
    MutexLock lock(mutex_);
    ticket = {when, next_number_++};
    waiting_.emplace(ticket, std::move(function));
    // Under the lock: the function may be what the timer's owner waits for. See Note [The last touch] in test_pause.h.
    changed_.NotifyAll();
  }
  TestPause("Timer::RunAt");
  return ticket;
}

void Timer::Cancel(const Ticket& ticket) {
  // Destroyed without the lock, because what it holds may come back here.
  std::function<void()> dropped;
  MutexLock lock(mutex_);
  const auto it = waiting_.find(ticket);
  if (it == waiting_.end()) return;
  dropped = std::move(it->second);
  waiting_.erase(it);
}

void Timer::RunFunctions() {
  while (true) {
    std::function<void()> function;
    {
      MutexLock lock(mutex_);
      while (true) {
        if (waiting_.empty()) {
          if (stopping_) return;
          changed_.Wait(mutex_);
        } else if (stopping_ || waiting_.begin()->first.first <= Clock::now()) {
          break;
        } else {
          changed_.WaitUntil(mutex_, waiting_.begin()->first.first);
        }
      }
      function = std::move(waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
    }
    function();
  }
}

Timer& ProcessTimer() {
  static Timer& timer = *new Timer();
  return timer;
}

}  // namespace reelsight::concurrency
