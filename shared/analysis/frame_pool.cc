// SPDX-License-Identifier: Apache-2.0
#include "shared/analysis/frame_pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/out_of_memory.h"
#include "shared/base/test_pause.h"

namespace reelsight::analysis {
namespace {

// Longest time until a waiter notices a cancelled token.
constexpr std::chrono::milliseconds kCancelPoll(20);

}  // namespace

std::shared_ptr<FramePool> FramePool::Create(int64_t budget_bytes, std::function<void(int64_t)> on_change) {
  return std::shared_ptr<FramePool>(new FramePool(budget_bytes, std::move(on_change)));
}

absl::StatusOr<FramePool::Reservation> FramePool::Reserve(int64_t bytes, const CancelToken& cancel) {
  absl::Status status;
  {
    MutexLock lock(mutex_);
    const auto place = waiting_.insert(waiting_.end(), bytes);
    const auto is_turn = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return place == waiting_.begin() && (reserved_bytes_ == 0 || reserved_bytes_ + bytes <= budget_bytes_);
    };
    while (!is_turn()) {
      TestPause("FramePool::Reserve");
      // See Allocate.
      mutex_.Unlock();
      status = cancel.status();
      mutex_.Lock();
      if (!status.ok()) break;
      if (!is_turn()) freed_.WaitUntil(mutex_, CancelToken::Clock::now() + kCancelPoll);
    }
    waiting_.erase(place);
    if (status.ok()) reserved_bytes_ += bytes;
  }
  // The next one may fit too.
  freed_.NotifyAll();
  if (!status.ok()) return status;
  Reservation reservation;
  reservation.release_ =
      std::shared_ptr<void>(nullptr, [pool = shared_from_this(), bytes](void*) { pool->ReleaseReservation(bytes); });
  return reservation;
}

void FramePool::ReleaseReservation(int64_t bytes) {
  {
    MutexLock lock(mutex_);
    reserved_bytes_ -= bytes;
  }
  freed_.NotifyAll();
}

absl::StatusOr<std::shared_ptr<Image>> FramePool::Allocate(PixelFormat format, ImageSize size,
                                                           const CancelToken& cancel) {
  const int64_t bytes = ImageBytes(format, size);
  {
    MutexLock lock(mutex_);
    while (!Fits(bytes)) {
      // Asked without the lock, because a deadline that has passed runs the token's callbacks.
      mutex_.Unlock();
      const absl::Status status = cancel.status();
      mutex_.Lock();
      if (!status.ok()) return status;
      if (!Fits(bytes)) freed_.WaitUntil(mutex_, CancelToken::Clock::now() + kCancelPoll);
    }
    Take(bytes);
  }
  return Make(format, size, bytes);
}

absl::StatusOr<std::shared_ptr<Image>> FramePool::TryAllocate(PixelFormat format, ImageSize size) {
  const int64_t bytes = ImageBytes(format, size);
  {
    MutexLock lock(mutex_);
    if (!Fits(bytes)) return absl::ResourceExhaustedError("frame budget spent");
    Take(bytes);
  }
  return Make(format, size, bytes);
}

bool FramePool::Fits(int64_t bytes) const { return used_bytes_ == 0 || used_bytes_ + bytes <= budget_bytes_; }

void FramePool::Take(int64_t bytes) {
  used_bytes_ += bytes;
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  if (on_change_) on_change_(used_bytes_);
}

absl::StatusOr<std::shared_ptr<Image>> FramePool::Make(PixelFormat format, ImageSize size, int64_t bytes) {
  const auto make = [&]() -> absl::StatusOr<std::unique_ptr<Image>> { return std::make_unique<Image>(format, size); };
  absl::StatusOr<std::unique_ptr<Image>> image =
      OrOutOfMemory(absl::StrCat("a picture of ", size.width_px, "x", size.height_px, " pixels"), make);
  if (!image.ok()) {
    Release(bytes);
    return image.status();
  }
  return std::shared_ptr<Image>(image->release(), [pool = shared_from_this(), bytes](Image* dead) {
    delete dead;
    pool->Release(bytes);
  });
}

void FramePool::Release(int64_t bytes) {
  {
    MutexLock lock(mutex_);
    used_bytes_ -= bytes;
    if (on_change_) on_change_(used_bytes_);
  }
  freed_.NotifyAll();
}

void FramePool::StopTelling() {
  MutexLock lock(mutex_);
  on_change_ = nullptr;
}

int64_t FramePool::used_bytes() const {
  MutexLock lock(mutex_);
  return used_bytes_;
}

int64_t FramePool::peak_bytes() const {
  MutexLock lock(mutex_);
  return peak_bytes_;
}

}  // namespace reelsight::analysis
