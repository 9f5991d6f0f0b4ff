// SPDX-License-Identifier: Apache-2.0
#include "shared/base/mutex.h"

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <chrono>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "shared/base/stopwatch.h"

namespace {

// Waits of this program on a condition variable, by their clock.
std::atomic<int> system_clock_waits = 0;
std::atomic<int> steady_clock_waits = 0;

}  // namespace

// Stand before those of the C library.
extern "C" int pthread_cond_timedwait(pthread_cond_t* cond, pthread_mutex_t* mutex, const timespec* deadline) {
  ++system_clock_waits;
  static const auto next =
      reinterpret_cast<decltype(&pthread_cond_timedwait)>(dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2"));
  return next(cond, mutex, deadline);
}
extern "C" int pthread_cond_clockwait(pthread_cond_t* cond, pthread_mutex_t* mutex, clockid_t clock,
                                      const timespec* deadline) {
  ++(clock == CLOCK_MONOTONIC ? steady_clock_waits : system_clock_waits);
  static const auto next =
      reinterpret_cast<decltype(&pthread_cond_clockwait)>(dlsym(RTLD_NEXT, "pthread_cond_clockwait"));
  return next(cond, mutex, clock, deadline);
}

namespace reelsight {
namespace {

TEST(CondVarTest, WaitsOnTheSteadyClock) {
#ifdef REELSIGHT_WAIT_ON_SYSTEM_CLOCK
  GTEST_SKIP() << "ThreadSanitizer of gcc 12 knows no wait on the steady clock";
#endif
  Mutex mutex;
  CondVar changed;
  system_clock_waits = steady_clock_waits = 0;
  MutexLock lock(mutex);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
  while (changed.WaitUntil(mutex, deadline)) {
  }
  EXPECT_GE(std::chrono::steady_clock::now(), deadline);
  EXPECT_GE(steady_clock_waits, 1);
  EXPECT_EQ(system_clock_waits, 0) << "a wait would last as long as the system's clock is set back";
}

TEST(CondVarTest, APastDeadlineIsOver) {
  Mutex mutex;
  CondVar changed;
  MutexLock lock(mutex);
  EXPECT_FALSE(changed.WaitUntil(mutex, std::chrono::steady_clock::now() - std::chrono::hours(1)));
}

TEST(StopwatchTest, GoesOnFromItsStart) {
  const Stopwatch first;
  const absl::Duration before = first.elapsed();
  EXPECT_GE(before, absl::ZeroDuration());
  const Stopwatch copy = first;
  const Stopwatch later;
  EXPECT_GE(copy.elapsed(), before);
  const absl::Duration of_later = later.elapsed();
  EXPECT_LE(of_later, first.elapsed());
  const double seconds = copy.elapsed_seconds();
  EXPECT_LE(seconds, first.elapsed_seconds());
}

}  // namespace
}  // namespace reelsight
