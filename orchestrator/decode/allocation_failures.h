// SPDX-License-Identifier: Apache-2.0
//
// Counts the allocations that failed. FFmpeg's decoders and probes turn some of these into a frame that is missing, or
// a header that is not understood, without an error; beside a count that rose, the decoder knows what it was.
//
// One that fails is made once more where a MemoryReserve can be given up for it, and counts if that fails too.
//
// It counts what FFmpeg's av_malloc and libdav1d call, posix_memalign, by standing in front of the C library's; not
// what av_max_alloc refuses, which says something about the file and not about the machine. It does not count under
// AddressSanitizer and ThreadSanitizer, which stand there themselves.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reelsight::orchestrator {

// Since the process started. Never goes down. Thread-safe.
int64_t AllocationFailures();
// Those in the calling thread.
int64_t AllocationFailuresOfThisThread();
// Whether they are counted in this build.
bool CountsAllocationFailures();

// Whether allocations failed since it was made. Used by one thread.
class AllocationWatch {
 public:
  // In the thread that made it and asks.
  bool failed_here() const { return AllocationFailuresOfThisThread() != here_; }
  // Anywhere in the process: it may have been somebody else's.
  bool failed_anywhere() const { return AllocationFailures() != anywhere_; }

 private:
  int64_t here_ = AllocationFailuresOfThisThread();
  int64_t anywhere_ = AllocationFailures();
};

// From now on each allocation of at least `bytes` bytes that this process makes in the way above fails, but for the
// next `spared` ones, until a reserve is given up; 0 bytes: none fails any more.
void FailAllocationsForTest(size_t bytes, int64_t spared);

}  // namespace reelsight::orchestrator
