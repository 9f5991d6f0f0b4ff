// SPDX-License-Identifier: Apache-2.0
//
// How long something took. On the steady clock, as every interval and every wait of ours: the system's clock may be set
// while a run is under way, and then a difference of its readings is negative or hours too long.
#pragma once

#include <chrono>

#include "absl/time/time.h"

namespace reelsight {

// Runs from its construction on; copies go on from the same start. Any number of threads may read it.
class Stopwatch {
 public:
  // Never negative.
  absl::Duration elapsed() const { return absl::FromChrono(std::chrono::steady_clock::now() - start_); }
  double elapsed_seconds() const { return absl::ToDoubleSeconds(elapsed()); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace reelsight
