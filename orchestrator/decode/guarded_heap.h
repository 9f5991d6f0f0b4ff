// SPDX-License-Identifier: Apache-2.0
//
// A heap for fuzzing libraries that are not instrumented, as libyuv and libswscale: each block ends at a page that may
// not be touched, and begins behind one. Linked into a fuzz target, it stands in for operator new[], by which pictures
// get their pixels, while it is switched on. Not for operator new: libraries keep what they make by it.
#pragma once

#include <cstddef>

namespace reelsight::orchestrator {

// While one lives, this thread's arrays come from the guarded heap. One at a time.
class GuardedHeap {
 public:
  GuardedHeap();
  ~GuardedHeap();

  GuardedHeap(const GuardedHeap&) = delete;
  GuardedHeap& operator=(const GuardedHeap&) = delete;

  // A block of `bytes`, whose last byte is the last before the guard; kept until Reset.
  static void* Allocate(size_t bytes);
  // Gives all blocks back. REQUIRES: none is used any more, and no GuardedHeap lives.
  static void Reset();
};

}  // namespace reelsight::orchestrator
