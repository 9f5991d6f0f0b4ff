// SPDX-License-Identifier: Apache-2.0
//
// Memory that this process may use, and how much of it is in use: by the machine, and by the control groups (v2 or v1)
// that a container or a unit puts around it. Memory of GPUs: see slice.h.
#pragma once

#include <cstdint>
#include <string>

namespace reelsight::process {

struct MemoryReading {
  // The machine's memory, or the smallest limit of a control group around this process, if that is less.
  int64_t total_bytes = 0;
  // What is left where it is scarcest. Files that the kernel keeps only because there is room count as free.
  int64_t available_bytes = 0;
  // Share in use where it is largest, in [0, 1]; 0 if nothing could be read.
  double used_fraction = 0;
};

// Reads a few small files. `root`: folder that stands for `/`, in tests.
MemoryReading ReadMemory(const std::string& root = "");

// The reading's share, as cache::CacheOptions wants it.
inline double UsedMemoryFraction() { return ReadMemory().used_fraction; }

}  // namespace reelsight::process
