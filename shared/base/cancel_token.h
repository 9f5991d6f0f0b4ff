// SPDX-License-Identifier: Apache-2.0
//
// The one sticky stop signal of a request: cancelled by the caller, by its deadline, or by the server. Nobody clears
// it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "shared/base/mutex.h"

namespace reelsight {

// A copyable reference to one shared state; copies are equal. Thread-safe.
class CancelToken {
 public:
  using Clock = std::chrono::steady_clock;

  CancelToken();

  // A new token that is cancelled with `parent`, for its reason, and may be cancelled before without the parent. It has
  // the parent's deadline as it is now. It needs no owner: it leaves the parent when its last copy goes, and waits for
  // nobody then.
  static CancelToken ChildOf(const CancelToken& parent);

  // Cancels with `why` (not OK). The first call wins; later ones do nothing. Runs the callbacks on this thread.
  void Cancel(absl::Status why = absl::CancelledError("cancelled")) const;
  // Sets the moment at which the token counts as cancelled by DEADLINE_EXCEEDED. An earlier one wins.
  void SetDeadline(Clock::time_point deadline) const;

  // OK, or why the token is cancelled. Checks the deadline. Cheap enough for every frame.
  absl::Status status() const;
  bool cancelled() const { return !status().ok(); }
  // The same, but runs no callback where a deadline has passed, so that it may be asked under a lock.
  bool over() const;
  // time_point::max() if there is none.
  Clock::time_point deadline() const;

  // Runs its function once when the token is cancelled (at once if it is already), unless destroyed first. The
  // destructor waits for a run under way, unless it is called by that run, which may hold its last owner. Deadlines do
  // not run callbacks by themselves: whoever waits, waits no longer than deadline().
  class Callback {
   public:
    Callback(const CancelToken& token, std::function<void()> function);
    ~Callback();
    Callback(const Callback&) = delete;
    Callback& operator=(const Callback&) = delete;

   private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
  };

 private:
  friend class Callback;
  struct Runnable;
  struct Link;
  struct State;
  explicit CancelToken(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace reelsight
