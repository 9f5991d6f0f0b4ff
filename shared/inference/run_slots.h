// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "shared/base/mutex.h"

namespace reelsight::inference {

// Lets so many models run at once, whoever asks: analyzers that run several samples side by side share the processors
// with the workers beside them. Thread-safe.
class RunSlots {
 public:
  // REQUIRES: count >= 1.
  explicit RunSlots(int count) : free_(count) {}
  RunSlots(const RunSlots&) = delete;
  RunSlots& operator=(const RunSlots&) = delete;

  // One slot, as long as it lives. Blocks until there is one; `slots` of nullptr has any number.
  class Taken {
   public:
    explicit Taken(RunSlots* slots) : slots_(slots) {
      if (slots_ != nullptr) slots_->Take();
    }
    ~Taken() {
      if (slots_ != nullptr) slots_->Return();
    }
    Taken(const Taken&) = delete;
    Taken& operator=(const Taken&) = delete;

   private:
    RunSlots* const slots_;
  };

 private:
  void Take() {
    const MutexLock lock(mutex_);
    while (free_ == 0) freed_.Wait(mutex_);
    --free_;
  }
  void Return() {
    {
      const MutexLock lock(mutex_);
      ++free_;
    }
    freed_.NotifyOne();
  }

  Mutex mutex_;
  CondVar freed_;
  int free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace reelsight::inference
