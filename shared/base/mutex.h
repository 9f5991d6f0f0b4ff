// SPDX-License-Identifier: Apache-2.0
//
// Mutex with the annotations that clang's -Wthread-safety checks, over std::mutex. Not absl::Mutex: the distribution's
// uninstrumented build of it makes ThreadSanitizer report races that are not there.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"

namespace reelsight {

class ABSL_LOCKABLE Mutex {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Condition variable for Mutex. Spurious wake-ups happen: wait in a loop that tests the condition.
class CondVar {
 public:
  void Wait(Mutex& mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // Returns false if `deadline` passed first.
  bool WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
#ifdef REELSIGHT_WAIT_ON_SYSTEM_CLOCK
    // Only where cmake/Toolchain.cmake says so: gcc 12's ThreadSanitizer does not know pthread_cond_clockwait.
    const auto limit = std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::microseconds>(
                                                              deadline - std::chrono::steady_clock::now());
#else
    const auto limit = deadline;
#endif
    const bool in_time = condition_.wait_until(lock, limit) == std::cv_status::no_timeout;
    lock.release();
    return in_time || std::chrono::steady_clock::now() < deadline;
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace reelsight
