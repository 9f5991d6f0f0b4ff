// SPDX-License-Identifier: Apache-2.0
//
// Named moments at which a test can hold a thread while the others run to their end. They stand where an object may
// have been destroyed by somebody else, so that a test of that is no matter of luck.
#pragma once

#include <atomic>
#include <functional>
#include <string_view>
#include <utility>

namespace reelsight {

// Note [The last touch]
// Some objects may be destroyed by others as soon as those hear of something: a reactor when its call is finished, a
// timer when its function ran, a gate when the last call has left, the owner of a token when it is cancelled. One rule
// for them all: a thread that makes such news known touches the object for the last time in that very critical section.
// What is due next is decided there, and is done there or by the one thread for which it was decided; waiters are
// notified before the lock is given free. Where foreign code has to run in between, the thread holds a reference of its
// own from before the news to its end: a shared_ptr, or a copy of the token. A TestPause after the unlock says that
// others may be done with the object there.

// Null but in tests.
inline std::atomic<void (*)(std::string_view)> test_pause_hook = nullptr;

// Costs one load where no test waits for it. Touches nothing but its argument, a literal.
inline void TestPause(std::string_view point) {
  if (auto* const hook = test_pause_hook.load(std::memory_order_acquire); hook != nullptr) hook(point);
}

// While it lives, the first thread that comes to `point` runs `others` there, once. One at a time in a process; it must
// outlive every thread that can come to a point.
class PauseForTest {
 public:
  PauseForTest(std::string_view point, std::function<void()> others) {
    point_ = point;
    others_ = std::move(others);
    reached_ = false;
    test_pause_hook.store(&Come, std::memory_order_release);
  }
  ~PauseForTest() { test_pause_hook.store(nullptr, std::memory_order_release); }
  PauseForTest(const PauseForTest&) = delete;
  PauseForTest& operator=(const PauseForTest&) = delete;

  bool reached() const { return reached_; }

 private:
  static void Come(std::string_view point) {
    if (point == point_ && !reached_.exchange(true)) others_();
  }

  static inline std::string_view point_;
  static inline std::function<void()> others_;
  static inline std::atomic<bool> reached_ = false;
};

}  // namespace reelsight
