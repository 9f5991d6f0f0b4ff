// SPDX-License-Identifier: Apache-2.0
//
// File descriptors of this process: how many it may have, and how many it has.
#pragma once

#include <dirent.h>

#include <cstdint>
#include <memory>

namespace reelsight::process {

// Lets the process have as many descriptors as it may at most (RLIMIT_NOFILE, soft to hard).
void RaiseDescriptorLimit();

// Counts without opening anything, so that it works when there are none left. Used by one thread at a time.
class DescriptorCount {
 public:
  DescriptorCount();

  // Most descriptors that the process may have now; others may change that while it runs.
  int64_t limit() const;
  // Those that are open, but for the one that counting takes. 0 where /proc is not there.
  int64_t open() const;

 private:
  struct Close {
    void operator()(DIR* folder) const { closedir(folder); }
  };
  const std::unique_ptr<DIR, Close> folder_;
};

}  // namespace reelsight::process
