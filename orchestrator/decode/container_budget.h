// SPDX-License-Identifier: Apache-2.0
//
// What the reading of one container may cost: memory that FFmpeg's libraries allocate for it, and time of a processor.
// Not for decoders: those are bounded by the size of a frame.
//
// Note [Counting what FFmpeg allocates]
// A few bytes of a container can stand for millions of entries of a table, in more places than a check in advance can
// know. All libraries of FFmpeg allocate through libavutil, which calls posix_memalign, realloc and free of libc; the
// imports of libavutil alone lead to functions of ours. A block that is allocated while a thread is inside a Scope is
// charged to the scope's budget and carries a seal behind its last byte, which says so; whoever frees the block, on
// whatever thread, gives the charge back. docs/adr/0023-counting-allocations.md has the ideas that lost.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace reelsight::orchestrator {

class ContainerBudget {
 public:
  struct Options {
    // Memory held at a time. More lets a hostile file take more.
    int64_t max_bytes = int64_t{200} << 20;
    // Processor time that needs no reason. More lets a hostile file keep a thread for longer.
    absl::Duration base_time = absl::Seconds(1);
    // What each packet, and each byte of the file that is read for the first time, adds to it.
    absl::Duration time_per_packet = absl::Microseconds(20);
    absl::Duration time_per_byte = absl::Nanoseconds(25);
  };

  // A place of code that works for the budget: what this thread allocates through libavutil meanwhile is charged to it,
  // and so is the time of the processor. Scopes of a thread do not nest; a budget has one at a time.
  class Scope {
   public:
    explicit Scope(ContainerBudget& budget);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };

  // Makes the imports of FFmpeg's libraries lead here, once for the process. INTERNAL if these libraries cannot be
  // counted; then no container may be opened.
  static absl::Status Install();

  explicit ContainerBudget(const Options& options);
  // Blocks charged to it may outlive it.
  ~ContainerBudget();
  ContainerBudget(const ContainerBudget&) = delete;
  ContainerBudget& operator=(const ContainerBudget&) = delete;

  // Tells how far the file was read; less than before counts for nothing.
  void ReadUpTo(int64_t offset);
  // Tells that a packet was read.
  void HasPacket() { ++packets_; }
  // A block from libavutil, or null, that goes to another owner, as a packet does: it is no longer charged.
  static void HandOver(void* block);
  // Is there time left, and was nothing refused? False for ever after the first time. It passes inside a scope only.
  bool HasTime();

  // Sticky. FAILED_PRECONDITION, VIDEO_TOO_LONG, once an allocation was refused or time ran out: what FFmpeg made of
  // the file since is not whole. RESOURCE_EXHAUSTED once the system had no memory. `name` is the source's.
  absl::Status status(const std::string& name) const;
  int64_t used_bytes() const;

 private:
  friend class LibavHooks;
  // What blocks point to.
  struct Account {
    std::atomic<int64_t> bytes{0};
    // Blocks, and the budget.
    std::atomic<int64_t> owners{1};
  };
  enum class Refusal { kNone, kMemory, kTime, kNoMemoryLeft };

  // May `bytes` more be allocated?
  bool Admit(int64_t bytes);
  void StartClock();
  void StopClock();

  const Options options_;
  Account* const account_;
  // The thread's clock, while it runs.
  bool running_ = false;
  int64_t start_ns_ = 0;
  int64_t spent_ns_ = 0;
  int64_t read_bytes_ = 0;
  int64_t packets_ = 0;
  uint32_t admitted_ = 0;
  Refusal refusal_ = Refusal::kNone;
};

}  // namespace reelsight::orchestrator
