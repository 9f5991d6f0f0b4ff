// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/allocation_failures.h"

#include <dlfcn.h>

#include <atomic>
#include <cerrno>

#include "orchestrator/decode/memory_reserve.h"

// The tsan preset undefines the compiler's own mark and sets that of the standard library.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(_GLIBCXX_TSAN)
#define REELSIGHT_COUNTS_ALLOCATION_FAILURES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REELSIGHT_COUNTS_ALLOCATION_FAILURES 0
#endif
#endif
#ifndef REELSIGHT_COUNTS_ALLOCATION_FAILURES
#define REELSIGHT_COUNTS_ALLOCATION_FAILURES 1
#endif

namespace reelsight::orchestrator {
namespace {

std::atomic<int64_t> failures{0};
thread_local int64_t failures_of_this_thread = 0;

std::atomic<size_t> fail_from_bytes{0};
std::atomic<int64_t> spared_allocations{0};

}  // namespace

int64_t AllocationFailures() { return failures.load(std::memory_order_relaxed); }
int64_t AllocationFailuresOfThisThread() { return failures_of_this_thread; }
bool CountsAllocationFailures() { return REELSIGHT_COUNTS_ALLOCATION_FAILURES != 0; }

void FailAllocationsForTest(size_t bytes, int64_t spared) {
  spared_allocations = spared;
  fail_from_bytes = bytes;
}

namespace {

[[maybe_unused]] int CountedAllocation(void** pointer, size_t alignment, size_t size) {
  using Allocate = int (*)(void**, size_t, size_t);
  // Whatever allocator comes next: the C library's, or one that LD_PRELOAD names.
  static const auto next = reinterpret_cast<Allocate>(dlsym(RTLD_NEXT, "posix_memalign"));
  const size_t from_bytes = fail_from_bytes.load(std::memory_order_relaxed);
  const bool forced = from_bytes > 0 && size >= from_bytes && spared_allocations.fetch_sub(1) <= 0;
  int error = forced ? ENOMEM : next(pointer, alignment, size);
  if (error != ENOMEM) return error;
  if (MemoryReserve::GiveUpOne()) {
    fail_from_bytes = 0;  // Here too there is room again.
    error = next(pointer, alignment, size);
  }
  if (error == ENOMEM) {
    ++failures_of_this_thread;
    failures.fetch_add(1, std::memory_order_relaxed);
  }
  return error;
}

}  // namespace
}  // namespace reelsight::orchestrator

#if REELSIGHT_COUNTS_ALLOCATION_FAILURES
extern "C" __attribute__((visibility("default"))) int posix_memalign(void** pointer, size_t alignment,
                                                                     size_t size) noexcept {
  return reelsight::orchestrator::CountedAllocation(pointer, alignment, size);
}
#endif
