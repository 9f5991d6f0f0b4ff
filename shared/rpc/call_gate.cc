// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/call_gate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/base/test_pause.h"

namespace reelsight::rpc {
namespace {

constexpr absl::Duration kRetryDelay = absl::Seconds(1);
constexpr absl::Duration kDrainRetryDelay = absl::Milliseconds(100);

}  // namespace

CallGate::CallGate(int max_calls, const std::vector<std::string>& kinds)
    : max_calls_(max_calls), share_(max_calls / (static_cast<int>(kinds.size()) + 1)) {
  MutexLock lock(mutex_);
  for (const std::string& kind : kinds) kinds_[kind] = 0;
}

absl::Status CallGate::Enter(std::string_view kind, const CancelToken& cancel, int64_t* ticket) {
  MutexLock lock(mutex_);
  if (draining_) {
    return WithRetryDelay(MakeError(absl::StatusCode::kUnavailable, Reason::kServerDraining,
                                    "the server is about to stop; try again, another replica will answer"),
                          kDrainRetryDelay);
  }
  // Places in use, and those that other kinds may yet come for.
  int taken = static_cast<int>(calls_.size());
  for (const auto& [other, calls] : kinds_) {
    if (other != kind) taken += std::max(0, share_ - calls);
  }
  if (taken >= max_calls_) {
    return WithRetryDelay(MakeError(absl::StatusCode::kResourceExhausted, Reason::kServerBusy,
                                    absl::StrCat("the server works on ", calls_.size(),
                                                 " calls and has no room for "
                                                 "another ",
                                                 absl::string_view(kind.data(), kind.size()), "; try again later")),
                          kRetryDelay);
  }
  *ticket = next_ticket_++;
  calls_.emplace(*ticket, Call{cancel, std::string(kind)});
  if (const auto found = kinds_.find(kind); found != kinds_.end()) ++found->second;
  return absl::OkStatus();
}

void CallGate::Leave(int64_t ticket) {
  {
    MutexLock lock(mutex_);
    const auto call = calls_.find(ticket);
    if (call != calls_.end()) {
      if (const auto found = kinds_.find(call->second.kind); found != kinds_.end()) --found->second;
      calls_.erase(call);
    }
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
    for (const auto& [ticket, call] : calls_) tokens.push_back(call.cancel);
  }
  for (const CancelToken& token : tokens) token.Cancel(why);
}

int CallGate::calls() const {
  MutexLock lock(mutex_);
  return static_cast<int>(calls_.size());
}

}  // namespace reelsight::rpc
