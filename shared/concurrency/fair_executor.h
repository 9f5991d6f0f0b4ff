// SPDX-License-Identifier: Apache-2.0
//
// Worker threads that take turns between clients. It is not a general thread pool: every task belongs to a client (one
// run, one video), and a client with a thousand tasks delays another's single task by one task only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "shared/base/mutex.h"

namespace reelsight::concurrency {

class FairExecutor {
 public:
  struct Options {
    // Threads, at least 1. More than processors only helps tasks that wait.
    int thread_count = 1;
    // Tasks that may wait, of all clients together. Raising it raises latency and memory under overload.
    int max_queued = 1024;
    // Name of the threads, at most 15 characters.
    std::string name = "worker";
    // Runs first on each thread; pins processors, for instance.
    std::function<void()> thread_init;
    // Told of every change of queued() and running(), in order, under the executor's lock.
    std::function<void(int64_t queued, int64_t running)> on_change;
  };

  explicit FairExecutor(Options options);
  // Runs what is queued, then stops.
  ~FairExecutor();
  FairExecutor(const FairExecutor&) = delete;
  FairExecutor& operator=(const FairExecutor&) = delete;

  // Queues `task` for `client`. Never blocks. RESOURCE_EXHAUSTED if the queue is full.
  absl::Status Submit(const std::string& client, std::function<void()> task);

  // Tasks waiting and running.
  int64_t queued() const;
  int64_t running() const;
  int thread_count() const { return options_.thread_count; }

 private:
  void RunTasks();
  void TellChange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (options_.on_change) options_.on_change(queued_, running_);
  }

  const Options options_;

  mutable Mutex mutex_;
  CondVar work_;
  // Clients with waiting tasks, each once, in order of their turns.
  std::deque<std::string> turns_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::deque<std::function<void()>>> tasks_ ABSL_GUARDED_BY(mutex_);
  int64_t queued_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::vector<std::thread> threads_;
};

}  // namespace reelsight::concurrency
