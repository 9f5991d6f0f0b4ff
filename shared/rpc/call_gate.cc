// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/call_gate.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/base/test_pause.h"

namespace reelsight::rpc {
namespace {

constexpr absl::Duration kRetryDelay = absl::Seconds(1);
constexpr absl::Duration kDrainRetryDelay = absl::Milliseconds(100);

}  // namespace

absl::Status CallGate::Enter(const CancelToken& cancel, int64_t* ticket) {
  MutexLock lock(mutex_);
  if (draining_) {
    return WithRetryDelay(MakeError(absl::StatusCode::kUnavailable, Reason::kServerDraining,
                                    "the server is about to stop; try again, another replica will answer"),
                          kDrainRetryDelay);
  }
  if (static_cast<int>(calls_.size()) >= max_calls_) {
    return WithRetryDelay(MakeError(absl::StatusCode::kResourceExhausted, Reason::kServerBusy,
                                    absl::StrCat("the server works on ", calls_.size(),
                                                 " calls, its limit; try again "
                                                 "later")),
                          kRetryDelay);
  }
  *ticket = next_ticket_++;
  calls_.emplace(*ticket, cancel);
  return absl::OkStatus();
}

void CallGate::Leave(int64_t ticket) {
  {
    MutexLock lock(mutex_);
    calls_.erase(ticket);
    // Under the lock: who waits for the last call may destroy the gate next. See Note [The last touch] in test_pause.h.
    left_.NotifyAll();
  }
  TestPause("CallGate::Leave");
}

void CallGate::BeginDrain() {
  MutexLock lock(mutex_);
  draining_ = true;
}

bool CallGate::draining() const {
  MutexLock lock(mutex_);
  return draining_;
}

bool CallGate::WaitEmpty(std::chrono::steady_clock::time_point deadline) {
  MutexLock lock(mutex_);
  while (!calls_.empty()) {
    if (!left_.WaitUntil(mutex_, deadline)) return calls_.empty();
  }
  return true;
}

void CallGate::CancelAll(const absl::Status& why) {
  std::vector<CancelToken> tokens;
  {
    MutexLock lock(mutex_);
    for (const auto& [ticket, token] : calls_) tokens.push_back(token);
  }
  for (const CancelToken& token : tokens) token.Cancel(why);
}

int CallGate::calls() const {
  MutexLock lock(mutex_);
  return static_cast<int>(calls_.size());
}

}  // namespace reelsight::rpc
