// SPDX-License-Identifier: Apache-2.0
#include "shared/telemetry/resident_memory.h"

#include <unistd.h>

#include <fstream>

namespace reelsight::telemetry {

int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total_pages = 0, resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * static_cast<int64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace reelsight::telemetry
