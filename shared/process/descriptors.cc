// SPDX-License-Identifier: Apache-2.0
#include "shared/process/descriptors.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

namespace reelsight::process {

void RaiseDescriptorLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

DescriptorCount::DescriptorCount() : folder_(opendir("/proc/self/fd")) {}

int64_t DescriptorCount::limit() const {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, std::numeric_limits<int64_t>::max()));
}

int64_t DescriptorCount::open() const {
  if (folder_ == nullptr) return 0;
  rewinddir(folder_.get());
  int64_t count = 0;
  while (const dirent* entry = readdir(folder_.get())) count += entry->d_name[0] != '.' ? 1 : 0;
  return std::max<int64_t>(0, count - 1);
}

}  // namespace reelsight::process
