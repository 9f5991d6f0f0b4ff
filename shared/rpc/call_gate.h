// SPDX-License-Identifier: Apache-2.0
//
// The door of a server: bounds the calls worked on at once, refuses new ones while the server stops, and knows when the
// last has left. Health checks and reflection do not pass it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shared/base/cancel_token.h"
#include "shared/base/mutex.h"

namespace reelsight::rpc {

// Thread-safe.
class CallGate {
 public:
  // `max_calls` >= 1. Raising it raises memory under overload, because every call holds its request.
  explicit CallGate(int max_calls) : max_calls_(max_calls) {}

  // Lets a call in, to be stopped by `cancel`. RESOURCE_EXHAUSTED, SERVER_BUSY with a retry delay if the server is
  // full; UNAVAILABLE, SERVER_DRAINING while it stops. On success Leave must follow, with `*ticket`.
  absl::Status Enter(const CancelToken& cancel, int64_t* ticket);
  void Leave(int64_t ticket);

  // From now on Enter refuses.
  void BeginDrain();
  bool draining() const;
  // Blocks until no call is in, or `deadline`. Returns true if none is.
  bool WaitEmpty(std::chrono::steady_clock::time_point deadline);
  // Cancels the calls that are in.
  void CancelAll(const absl::Status& why);

  int calls() const;

 private:
  const int max_calls_;
  mutable Mutex mutex_;
  CondVar left_;
  std::map<int64_t, CancelToken> calls_ ABSL_GUARDED_BY(mutex_);
  int64_t next_ticket_ ABSL_GUARDED_BY(mutex_) = 1;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace reelsight::rpc
