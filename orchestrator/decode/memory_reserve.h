// SPDX-License-Identifier: Apache-2.0
//
// Address space held back for a decoder, so that an allocation that fails inside FFmpeg can be made once more. Some
// of FFmpeg's decoders (H.264 and VP9 with frame threads) end the process where an allocation fails; with a reserve
// they never see it, and the decoder, which finds its reserve gone, ends its run in order.
//
// Nothing of it is touched, so it costs no memory. It helps against limits of address space (RLIMIT_AS), which is what
// makes allocations fail on Linux; a process over a limit of its container is killed as ever.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace reelsight::orchestrator {

// Thread-safe.
class MemoryReserve {
 public:
  // Null if there is no such room.
  static std::unique_ptr<MemoryReserve> Create(size_t bytes);
  ~MemoryReserve();

  MemoryReserve(const MemoryReserve&) = delete;
  MemoryReserve& operator=(const MemoryReserve&) = delete;

  // True once it was given up: memory is short, and its owner ought to end.
  bool gone() const { return gone_; }

  // Gives up the largest that lives. False if there is none. Allocates nothing.
  static bool GiveUpOne();

 private:
  MemoryReserve(void* room, size_t bytes);

  void* const room_;
  const size_t bytes_;
  std::atomic<bool> gone_{false};
  // The list of those that live; guarded by its mutex.
  MemoryReserve* previous_ = nullptr;
  MemoryReserve* next_ = nullptr;
};

}  // namespace reelsight::orchestrator
