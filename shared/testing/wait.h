// SPDX-License-Identifier: Apache-2.0
//
// Waiting, in tests, for what other threads bring about. No test sleeps instead: it would be slow where the others are
// fast, and fail where they are slow.
#pragma once

#include <chrono>
#include <thread>

namespace reelsight::testing {

// Looks at `condition()` until it is true. False after a minute, so that the test fails instead of hanging.
template <typename Condition>
[[nodiscard]] bool WaitUntil(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// Leaves a fault the time to show itself: for tests that something does not happen, or not all the while. They pass on
// however slow a machine.
inline void GiveFaultsTime(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

// Stands for work that takes so long.
inline void WorkFor(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

}  // namespace reelsight::testing
