// SPDX-License-Identifier: Apache-2.0
//
// The door of a server: bounds the calls worked on at once, keeps room for each kind of call, refuses new ones while
// the server stops, and knows when the last has left. Health checks and reflection do not pass it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shared/base/cancel_token.h"
#include "shared/base/mutex.h"

namespace reelsight::rpc {

// Thread-safe.
class CallGate {
 public:
  // `max_calls` >= 1. Raising it raises memory under overload, because every call holds its request. `kinds`: of these
  // each has a share of its own, max_calls / (number of kinds + 1), that others cannot take; what is left is anybody's.
  // So of 256 places and four kinds 51 are for each and 52 for all.
  explicit CallGate(int max_calls, const std::vector<std::string>& kinds = {});

  // Lets a call of a kind in, to be stopped by `cancel`. RESOURCE_EXHAUSTED, SERVER_BUSY with a retry delay if the
  // server has no room for it; UNAVAILABLE, SERVER_DRAINING while it stops. On success Leave must follow, with
  // `*ticket`.
  absl::Status Enter(std::string_view kind, const CancelToken& cancel, int64_t* ticket);
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
  struct Call {
    CancelToken cancel;
    std::string kind;
  };

  const int max_calls_;
  // Places that each kind has for itself.
  const int share_;
  mutable Mutex mutex_;
  CondVar left_;
  std::map<int64_t, Call> calls_ ABSL_GUARDED_BY(mutex_);
  // Calls of each kind that has a share.
  std::map<std::string, int, std::less<>> kinds_ ABSL_GUARDED_BY(mutex_);
  int64_t next_ticket_ ABSL_GUARDED_BY(mutex_) = 1;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace reelsight::rpc
