// SPDX-License-Identifier: Apache-2.0
#include "shared/process/allocator.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>

#include "shared/process/cpu_set.h"

namespace reelsight::process {

int LimitArenas() {
#ifdef __GLIBC__
  if (std::getenv("MALLOC_ARENA_MAX") != nullptr || std::getenv("GLIBC_TUNABLES") != nullptr) return 0;
  const int arenas = std::max(2, static_cast<int>(AvailableCpus().size()));
  return mallopt(M_ARENA_MAX, arenas) == 1 ? arenas : 0;
#else
  return 0;
#endif
}

}  // namespace reelsight::process
