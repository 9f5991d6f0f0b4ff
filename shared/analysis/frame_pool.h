// SPDX-License-Identifier: Apache-2.0
//
// Byte budget for pictures on their way from the decoder to the analyzers. What makes the pipeline bounded: when the
// budget is spent, the decoder waits.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "shared/analysis/image.h"
#include "shared/base/cancel_token.h"
#include "shared/base/mutex.h"

namespace reelsight::analysis {

// Thread-safe. Pictures may outlive the pool.
class FramePool : public std::enable_shared_from_this<FramePool> {
 public:
  // `budget_bytes` > 0, for all pictures alive at once. `on_change` is told of every change of used_bytes, in order,
  // under the pool's lock.
  static std::shared_ptr<FramePool> Create(int64_t budget_bytes,
                                           std::function<void(int64_t used_bytes)> on_change = {});

  // A share of the budget; destroying it gives it back.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&&) = default;
    Reservation& operator=(Reservation&&) = default;

   private:
    friend class FramePool;
    std::shared_ptr<void> release_;
  };
  // Reserves what one run keeps back while it waits for its next picture. Blocks, first come first served, until it
  // fits beside the other reservations; one larger than the budget goes alone. Returns the token's status if it is
  // cancelled first. Runs that keep back no more than they reserved can never wait for each other for ever.
  absl::StatusOr<Reservation> Reserve(int64_t bytes, const CancelToken& cancel);

  // Makes a picture of unset pixels. Blocks while the budget is spent. A picture larger than the whole budget is made
  // when nothing else is alive. Returns the token's status if it is cancelled first; RESOURCE_EXHAUSTED, OUT_OF_MEMORY,
  // if the budget has room and the machine has none. The budget is given back when the last reference goes.
  absl::StatusOr<std::shared_ptr<Image>> Allocate(PixelFormat format, ImageSize size, const CancelToken& cancel);
  // Like Allocate, but RESOURCE_EXHAUSTED without a reason at once where that would block. A caller that holds pictures
  // of its own gives them on before it blocks; otherwise two of them can wait for each other for ever.
  absl::StatusOr<std::shared_ptr<Image>> TryAllocate(PixelFormat format, ImageSize size);

  // `on_change` is not called any more, not even for pictures that outlive its owner.
  void StopTelling();

  int64_t budget_bytes() const { return budget_bytes_; }
  int64_t used_bytes() const;
  // Highest use so far.
  int64_t peak_bytes() const;

 private:
  FramePool(int64_t budget_bytes, std::function<void(int64_t)> on_change)
      : budget_bytes_(budget_bytes), on_change_(std::move(on_change)) {}
  bool Fits(int64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(int64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<Image>> Make(PixelFormat format, ImageSize size, int64_t bytes);
  void Release(int64_t bytes);
  void ReleaseReservation(int64_t bytes);

  const int64_t budget_bytes_;
  mutable Mutex mutex_;
  std::function<void(int64_t)> on_change_ ABSL_GUARDED_BY(mutex_);
  CondVar freed_;
  int64_t used_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t peak_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t reserved_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Reservations that wait, oldest first.
  std::list<int64_t> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace reelsight::analysis
