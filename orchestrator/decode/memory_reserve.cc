// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/memory_reserve.h"

#include <sys/mman.h>

#include "shared/base/mutex.h"

namespace reelsight::orchestrator {
namespace {

// Leaked, because threads of libraries may allocate while the process ends.
Mutex& ListMutex() {
  static Mutex& mutex = *new Mutex();
  return mutex;
}
MemoryReserve* first = nullptr;

}  // namespace

std::unique_ptr<MemoryReserve> MemoryReserve::Create(size_t bytes) {
  void* const room =
      mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, /*fd=*/-1, /*offset=*/0);
  if (room == MAP_FAILED) return nullptr;
  return std::unique_ptr<MemoryReserve>(new MemoryReserve(room, bytes));
}

MemoryReserve::MemoryReserve(void* room, size_t bytes) : room_(room), bytes_(bytes) {
  MutexLock lock(ListMutex());
  next_ = first;
  if (first != nullptr) first->previous_ = this;
  first = this;
}

MemoryReserve::~MemoryReserve() {
  MutexLock lock(ListMutex());
  (previous_ == nullptr ? first : previous_->next_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  if (!gone_) munmap(room_, bytes_);
}

bool MemoryReserve::GiveUpOne() {
  MutexLock lock(ListMutex());
  MemoryReserve* largest = nullptr;
  for (MemoryReserve* reserve = first; reserve != nullptr; reserve = reserve->next_) {
    if (!reserve->gone_ && (largest == nullptr || reserve->bytes_ > largest->bytes_)) largest = reserve;
  }
  if (largest == nullptr) return false;
  munmap(largest->room_, largest->bytes_);
  largest->gone_ = true;
  return true;
}

}  // namespace reelsight::orchestrator
