// SPDX-License-Identifier: Apache-2.0
//
// Gives memory that was freed back to the system, so that one large video does not keep a server large for ever: glibc
// keeps what lies between blocks that are still in use. See docs/adr/0025-memory-comes-back.md. Not an allocator, and
// no bound on what is in use.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "shared/concurrency/ticker.h"

namespace reelsight::process {

// Looks from time to time, on a thread of its own, whether there may be something to give back. Giving back holds up
// allocations for moments, so it is done when nothing else is, or rarely.
class MemoryTrimmer {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    // Time between two looks.
    Clock::duration interval = std::chrono::seconds(1);
    // True if the process does no work for anybody; called by the trimmer's thread. Null: never.
    std::function<bool()> idle;
    // How much larger than after the last time, in bytes, makes it worth while in an idle process, and in a busy one.
    int64_t idle_growth_bytes = 16 << 20;
    int64_t busy_growth_bytes = 256 << 20;
    // In a busy process, at most this often.
    Clock::duration busy_interval = std::chrono::seconds(10);
    // After work has ended memory is given back this often whatever the size, with `idle_interval` in between, because
    // what the work held may be freed a little after its caller has the answer.
    int idle_trims = 3;
    Clock::duration idle_interval = std::chrono::seconds(4);
    // Told how many bytes were resident before and after. May be null.
    std::function<void(int64_t before_bytes, int64_t after_bytes)> on_trim;
    // Size of the process in memory, as telemetry::ResidentBytes. Required.
    std::function<int64_t()> resident_bytes;
    // Replaced in tests.
    std::function<void()> trim;
  };

  // Starts no thread yet. Destroying it waits for a look under way.
  explicit MemoryTrimmer(Options options);
  MemoryTrimmer(const MemoryTrimmer&) = delete;
  MemoryTrimmer& operator=(const MemoryTrimmer&) = delete;

  // Begins to look. Once.
  void Start();
  // One look. Returns whether memory was given back. Used by the ticker; in tests instead of it.
  bool Look(Clock::time_point now);

 private:
  bool IsDue(Clock::time_point now, int64_t grown_bytes);

  Options options_;
  // The smallest size since memory was last given back.
  int64_t base_bytes_ = 0;
  Clock::time_point last_trim_ = Clock::time_point::min();
  Clock::time_point next_idle_trim_ = Clock::time_point::min();
  int idle_trims_left_ = 0;
  bool idle_ = false;

  // Last, so that no look finds the members above gone.
  std::optional<concurrency::Ticker> ticker_;
};

}  // namespace reelsight::process
