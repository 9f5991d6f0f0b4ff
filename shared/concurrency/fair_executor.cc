// SPDX-License-Identifier: Apache-2.0
#include "shared/concurrency/fair_executor.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/base/test_pause.h"

namespace reelsight::concurrency {

FairExecutor::FairExecutor(Options options) : options_(std::move(options)) {
  const int count = std::max(1, options_.thread_count);
  threads_.reserve(count);
  for (int i = 0; i < count; ++i) {
    threads_.emplace_back([this] { RunTasks(); });
    pthread_setname_np(threads_.back().native_handle(), options_.name.substr(0, 15).c_str());
  }
}

FairExecutor::~FairExecutor() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  work_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

absl::Status FairExecutor::Submit(const std::string& client, std::function<void()> task) {
  {
    MutexLock lock(mutex_);
    if (queued_ >= options_.max_queued) {
      return MakeError(absl::StatusCode::kResourceExhausted, Reason::kQueueFull,
                       absl::StrCat(options_.name, ": ", queued_, " tasks are waiting; try again later"));
    }
    std::deque<std::function<void()>>& tasks = tasks_[client];
    if (tasks.empty()) turns_.push_back(client);
    tasks.push_back(std::move(task));
    ++queued_;
    TellChange();
    // Under the lock: the task may be what its submitter's owner waits for before it destroys the executor. See Note
    // [The last touch] in test_pause.h.
    work_.NotifyOne();
  }
  TestPause("FairExecutor::Submit");
  return absl::OkStatus();
}

int64_t FairExecutor::queued() const {
  MutexLock lock(mutex_);
  return queued_;
}

int64_t FairExecutor::running() const {
  MutexLock lock(mutex_);
  return running_;
}

void FairExecutor::RunTasks() {
  if (options_.thread_init) options_.thread_init();
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (turns_.empty() && !stopping_) work_.Wait(mutex_);
      if (turns_.empty()) return;
      const std::string client = std::move(turns_.front());
      turns_.pop_front();
      auto it = tasks_.find(client);
      task = std::move(it->second.front());
      it->second.pop_front();
      if (it->second.empty()) {
        tasks_.erase(it);
      } else {
        turns_.push_back(client);
      }
      --queued_;
      ++running_;
      TellChange();
    }
    task();
    task = nullptr;  // What it holds is freed before it counts as done.
    MutexLock lock(mutex_);
    --running_;
    TellChange();
  }
}

}  // namespace reelsight::concurrency
