// SPDX-License-Identifier: Apache-2.0
#include "shared/concurrency/ticker.h"

#include <utility>

namespace reelsight::concurrency {

Ticker::Ticker(std::chrono::steady_clock::duration period, std::function<void()> function)
    : period_(period), function_(std::move(function)), thread_([this] { RunEachPeriod(); }) {}

Ticker::~Ticker() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  stopped_.NotifyAll();
  thread_.join();
}

void Ticker::RunEachPeriod() {
  while (SleepOnePeriod()) function_();
}

bool Ticker::SleepOnePeriod() {
  const auto until = std::chrono::steady_clock::now() + period_;
  const MutexLock lock(mutex_);
  while (!stopping_ && std::chrono::steady_clock::now() < until) stopped_.WaitUntil(mutex_, until);
  return !stopping_;
}

}  // namespace reelsight::concurrency
