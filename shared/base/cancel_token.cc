// SPDX-License-Identifier: Apache-2.0
#include "shared/base/cancel_token.h"

#include <atomic>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "shared/base/status.h"

namespace reelsight {

struct CancelToken::Runnable {
  virtual ~Runnable() = default;
  virtual void Run() = 0;
};

struct CancelToken::State {
  Mutex mutex;
  absl::Status why ABSL_GUARDED_BY(mutex);
  Clock::time_point deadline ABSL_GUARDED_BY(mutex) = Clock::time_point::max();
  std::map<void*, std::shared_ptr<Runnable>> callbacks ABSL_GUARDED_BY(mutex);
  // Of a child: set before anybody else knows it.
  std::shared_ptr<State> parent;
  Runnable* link = nullptr;

  ~State() {
    if (parent == nullptr) return;
    MutexLock lock(parent->mutex);
    parent->callbacks.erase(link);
  }
};

// What a parent keeps of its child. It does not keep it alive, so the child's end needs to wait for nothing. Run by the
// parent, which therefore lives.
struct CancelToken::Link final : Runnable {
  State* parent = nullptr;
  std::weak_ptr<State> child;

  void Run() override {
    CancelToken token(child.lock());
    if (token.state_ == nullptr) return;
    absl::Status why;
    {
      MutexLock lock(parent->mutex);
      why = parent->why;
    }
    token.Cancel(std::move(why));
  }
};

struct CancelToken::Callback::Impl final : Runnable {
  std::shared_ptr<State> state;
  // Held while `function` runs, so that the owner's destructor can wait for it.
  Mutex run_mutex;
  std::function<void()> function ABSL_GUARDED_BY(run_mutex);
  // The thread that runs `function`, until what the function captured is destroyed too.
  std::atomic<std::thread::id> runner;

  void Run() override {
    MutexLock lock(run_mutex);
    runner = std::this_thread::get_id();
    if (auto run = std::exchange(function, nullptr)) run();
    runner = std::thread::id();
  }
};

CancelToken::CancelToken() : CancelToken(std::make_shared<State>()) {}

CancelToken CancelToken::ChildOf(const CancelToken& parent) {
  CancelToken token;
  token.SetDeadline(parent.deadline());
  auto link = std::make_shared<Link>();
  link->parent = parent.state_.get();
  link->child = token.state_;
  token.state_->link = link.get();
  token.state_->parent = parent.state_;
  {
    MutexLock lock(parent.state_->mutex);
    if (parent.state_->why.ok()) {
      parent.state_->callbacks.emplace(link.get(), link);
      return token;
    }
  }
  link->Run();
  return token;
}

void CancelToken::Cancel(absl::Status why) const {
  std::vector<std::shared_ptr<Runnable>> callbacks;
  {
    MutexLock lock(state_->mutex);
    if (!state_->why.ok()) return;
    state_->why = why.ok() ? absl::CancelledError("cancelled") : std::move(why);
    for (auto& [key, impl] : state_->callbacks) callbacks.push_back(impl);
    state_->callbacks.clear();
  }
  for (const auto& impl : callbacks) impl->Run();
}

void CancelToken::SetDeadline(Clock::time_point deadline) const {
  MutexLock lock(state_->mutex);
  if (deadline < state_->deadline) state_->deadline = deadline;
}

absl::Status CancelToken::status() const {
  {
    MutexLock lock(state_->mutex);
    if (!state_->why.ok()) return state_->why;
    if (state_->deadline == Clock::time_point::max() || Clock::now() < state_->deadline) return absl::OkStatus();
  }
  // A reference of its own, because a callback may destroy what owns this token: Note [The last touch] in test_pause.h.
  const CancelToken self = *this;
  self.Cancel(MakeError(absl::StatusCode::kDeadlineExceeded, Reason::kDeadlineExceeded, "deadline passed"));
  MutexLock lock(self.state_->mutex);
  return self.state_->why;
}

bool CancelToken::over() const {
  MutexLock lock(state_->mutex);
  return !state_->why.ok() || (state_->deadline != Clock::time_point::max() && Clock::now() >= state_->deadline);
}

CancelToken::Clock::time_point CancelToken::deadline() const {
  MutexLock lock(state_->mutex);
  return state_->deadline;
}

CancelToken::Callback::Callback(const CancelToken& token, std::function<void()> function)
    : impl_(std::make_shared<Impl>()) {
  impl_->state = token.state_;
  {
    MutexLock lock(impl_->run_mutex);
    impl_->function = std::move(function);
  }
  {
    MutexLock lock(token.state_->mutex);
    if (token.state_->why.ok()) {
      token.state_->callbacks.emplace(impl_.get(), impl_);
      return;
    }
  }
  impl_->Run();
}

CancelToken::Callback::~Callback() {
  {
    MutexLock lock(impl_->state->mutex);
    impl_->state->callbacks.erase(impl_.get());
  }
  if (impl_->runner == std::this_thread::get_id()) return;
  MutexLock lock(impl_->run_mutex);
  impl_->function = nullptr;
}

}  // namespace reelsight
