// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/guarded_heap.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>

namespace reelsight::orchestrator {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kReservedBytes = size_t{1} << 36;

// Nothing of it may be touched but the blocks.
std::byte* const reserved = [] {
  void* const begin =
      mmap(nullptr, kReservedBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, /*fd=*/-1, /*offset=*/0);
  if (begin == MAP_FAILED) std::abort();
  return static_cast<std::byte*>(begin);
}();
size_t used_bytes = 0;
thread_local bool on = false;

bool IsGuarded(const void* block) {
  const auto* const at = static_cast<const std::byte*>(block);
  return at >= reserved && at < reserved + kReservedBytes;
}

void* New(size_t bytes) {
  void* const block = on ? GuardedHeap::Allocate(bytes) : std::malloc(bytes > 0 ? bytes : 1);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void Delete(void* block) {
  if (!IsGuarded(block)) std::free(block);
}

}  // namespace

GuardedHeap::GuardedHeap() { on = true; }
GuardedHeap::~GuardedHeap() { on = false; }

void* GuardedHeap::Allocate(size_t bytes) {
  const size_t pages = (bytes + kPage - 1) / kPage * kPage;
  if (pages + kPage > kReservedBytes - used_bytes) std::abort();
  std::byte* const begin = reserved + used_bytes + kPage;
  used_bytes += kPage + pages;
  if (pages > 0 && mprotect(begin, pages, PROT_READ | PROT_WRITE) != 0) std::abort();
  return begin + (pages - bytes);
}

void GuardedHeap::Reset() {
  if (used_bytes == 0) return;
  void* const fixed = mmap(reserved, used_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
                           /*fd=*/-1, /*offset=*/0);
  if (fixed == MAP_FAILED) std::abort();
  used_bytes = 0;
}

}  // namespace reelsight::orchestrator

void* operator new[](size_t bytes) { return reelsight::orchestrator::New(bytes); }
void operator delete[](void* block) noexcept { reelsight::orchestrator::Delete(block); }
void operator delete[](void* block, size_t) noexcept { reelsight::orchestrator::Delete(block); }
