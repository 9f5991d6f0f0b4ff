// SPDX-License-Identifier: Apache-2.0
#include "shared/process/memory_trimmer.h"

#include <malloc.h>

#include <algorithm>
#include <utility>

namespace reelsight::process {
namespace {

void GiveBack() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace

MemoryTrimmer::MemoryTrimmer(Options options) : options_(std::move(options)) {
  if (!options_.idle) options_.idle = [] { return false; };
  if (!options_.trim) options_.trim = GiveBack;
  base_bytes_ = options_.resident_bytes();
}

void MemoryTrimmer::Start() {
  ticker_.emplace(options_.interval, [this] { Look(Clock::now()); });
}

bool MemoryTrimmer::IsDue(Clock::time_point now, int64_t grown_bytes) {
  if (!idle_) {
    idle_trims_left_ = options_.idle_trims;
    next_idle_trim_ = now;
    return grown_bytes >= options_.busy_growth_bytes &&
           (last_trim_ == Clock::time_point::min() || now - last_trim_ >= options_.busy_interval);
  }
  if (grown_bytes >= options_.idle_growth_bytes) return true;
  return idle_trims_left_ > 0 && now >= next_idle_trim_;
}

bool MemoryTrimmer::Look(Clock::time_point now) {
  idle_ = options_.idle();
  const int64_t before_bytes = options_.resident_bytes();
  base_bytes_ = std::min(base_bytes_, before_bytes);
  if (!IsDue(now, before_bytes - base_bytes_)) return false;
  options_.trim();
  const int64_t after_bytes = options_.resident_bytes();
  base_bytes_ = after_bytes;
  last_trim_ = now;
  if (idle_) {
    idle_trims_left_ = std::max(0, idle_trims_left_ - 1);
    next_idle_trim_ = now + options_.idle_interval;
  }
  if (options_.on_trim) options_.on_trim(before_bytes, after_bytes);
  return true;
}

}  // namespace reelsight::process
