// SPDX-License-Identifier: Apache-2.0
//
// Makes batches of items that come from many callers: frames of several videos that want the same model. It has no
// threads of its own: a waiting caller leads a batch, so there are never more threads at work than callers. See
// docs/adr/0016-the-caller-leads-the-batch.md.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "shared/base/cancel_token.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"
#include "shared/batching/batch_limit.h"

namespace reelsight::batching {

// Told what happens, for metrics; called on callers' threads, never under the batcher's lock unless said so.
struct BatchObserver {
  using Duration = std::chrono::steady_clock::duration;
  // A batch ran: its size, and how long it took.
  std::function<void(int size, Duration run)> on_batch;
  // An item waited this long for its batch.
  std::function<void(Duration waited)> on_start;
  // The limit changed, and whether memory had run out. Under the lock, so in order.
  std::function<void(int limit, bool out_of_memory)> on_limit;
  // Items that wait. Under the lock, so in order.
  std::function<void(int64_t queued)> on_queue;
};

struct BatcherOptions {
  // Most items of a batch, at least 1. Raising it costs memory and latency.
  int max_batch = 1;
  // Items of the first batches, until more is learnt to be good; 0: max_batch. See StartBatch.
  int start_batch = 0;
  // How long a batch that is not full waits for more. 0: runs with what is there.
  std::chrono::steady_clock::duration hold_time = {};
  // Batches that run at once, at least 1: the processors of a CPU, 1 of a GPU.
  int max_concurrent_batches = 1;
  // Items that may wait; more are RESOURCE_EXHAUSTED.
  int64_t max_queued = 4096;
  // A batch that took longer lowers the limit, quick ones raise it again; 0: no matter how long. See batch_limit.h.
  std::chrono::steady_clock::duration target_batch_duration = {};
  // Good full batches after which one item more is tried. A try that runs out of memory doubles the wait for the next.
  int probe_after = 64;
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
  BatchObserver observer;
};

// Thread-safe. All callers must have returned before it is destroyed.
//
// Fair: batches take items of the clients in turn, oldest first within a client. Only items of one key go together.
// Items whose caller was cancelled, or whose deadline has passed, are dropped before they are batched.
//
// Lock order: its mutex, then that of a call's token, which is only asked. Neither the function that runs a batch nor a
// cancellation is called under it.
template <typename Item, typename Result>
class DynamicBatcher {
 public:
  // Gives one result for each item, in order. RESOURCE_EXHAUSTED: memory ran out, and the batch is tried again in
  // halves, down to single items; the smaller size is remembered. Any other error fails the items of this batch. Items
  // must stay usable after an error. Called from several threads at once.
  using RunBatch = std::function<absl::StatusOr<std::vector<Result>>(std::span<Item* const> batch)>;
  // Items of equal keys can go together.
  using KeyOf = std::function<std::string(const Item&)>;

  DynamicBatcher(BatcherOptions options, KeyOf key_of, RunBatch run)
      : options_(std::move(options)),
        key_of_(std::move(key_of)),
        run_(std::move(run)),
        limit_({.start_items = options_.start_batch > 0 ? options_.start_batch : options_.max_batch,
                .max_items = options_.max_batch,
                .target_duration = options_.target_batch_duration,
                .good_batches_to_probe = options_.probe_after}) {
    if (options_.observer.on_limit) options_.observer.on_limit(limit_.items(), false);
  }
  DynamicBatcher(const DynamicBatcher&) = delete;
  DynamicBatcher& operator=(const DynamicBatcher&) = delete;

  // Results of `items`, in order; the first error of any of them. Blocks, and may run batches with other callers' items
  // meanwhile, but none after it was cancelled or has failed. RESOURCE_EXHAUSTED, QUEUE_FULL with a retry delay, at
  // once if the queue is full.
  absl::StatusOr<std::vector<Result>> Run(const std::string& client, std::vector<Item> items,
                                          const CancelToken& cancel) {
    if (items.empty()) return std::vector<Result>();
    RETURN_IF_ERROR(cancel.status());
    Call call(std::move(items), cancel);
    std::vector<std::string> keys;
    for (const Item& item : call.items) keys.push_back(key_of_(item));
    {
      const MutexLock lock(mutex_);
      if (queued_ > 0 && queued_ + static_cast<int64_t>(call.items.size()) > options_.max_queued) {
        return WithRetryDelay(
            MakeError(absl::StatusCode::kResourceExhausted, Reason::kQueueFull,
                      absl::StrCat(queued_, " samples wait for the model already; try again, or add replicas")),
            absl::Seconds(1));
      }
      const auto arrived = options_.now();
      Client& queue = ClientOf(client);
      for (size_t i = 0; i < call.items.size(); ++i) {
        queue.waiting.push_back({&call, i, std::move(keys[i]), arrived});
      }
      queued_ += static_cast<int64_t>(call.items.size());
      TellQueue();
    }
    changed_.NotifyAll();
    // Whoever waits below must notice a cancellation at once.
    const CancelToken::Callback wake(cancel, [this] {
      { const MutexLock lock(mutex_); }
      changed_.NotifyAll();
    });
    return WaitForResults(client, call);
  }

  // Most items of a batch, as learnt.
  int limit() const {
    const MutexLock lock(mutex_);
    return limit_.items();
  }
  int64_t queued() const {
    const MutexLock lock(mutex_);
    return queued_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  // One call of Run. Its fields are guarded by the batcher's mutex, but for the items of a running batch.
  struct Call {
    Call(std::vector<Item> all, const CancelToken& token)
        : items(std::move(all)), results(items.size()), open(items.size()), cancel(token) {}
    std::vector<Item> items;
    std::vector<Result> results;
    // Items that are neither done nor dropped.
    size_t open;
    absl::Status status;
    const CancelToken& cancel;
  };
  struct Waiting {
    Call* call = nullptr;
    size_t index = 0;
    std::string key;
    Clock::time_point arrived;
  };
  struct Client {
    std::string name;
    std::deque<Waiting> waiting;
  };
  using Batch = std::vector<Waiting>;

  absl::StatusOr<std::vector<Result>> WaitForResults(const std::string& client, Call& call) {
    mutex_.Lock();
    while (call.open > 0) {
      if (call.cancel.over() || !call.status.ok()) {
        DropItems(client, call);
        // What runs has its place in a batch. Its end wakes all.
        if (call.open > 0) changed_.Wait(mutex_);
        continue;
      }
      Clock::time_point ready_at = {};
      if (running_ < options_.max_concurrent_batches && CanStart(&ready_at)) {
        Batch batch = TakeBatch();
        if (batch.empty()) continue;
        ++running_;
        mutex_.Unlock();
        RunAndFinish(std::move(batch));
        mutex_.Lock();
        continue;
      }
      const Clock::time_point deadline = call.cancel.deadline();
      if (running_ < options_.max_concurrent_batches && queued_ > 0) {
        // On the injected clock's scale; waking early only looks again.
        const auto left = ready_at - options_.now();
        changed_.WaitUntil(mutex_, std::min(deadline, Clock::now() + std::max(left, Clock::duration(1))));
      } else if (deadline == Clock::time_point::max()) {
        changed_.Wait(mutex_);
      } else {
        changed_.WaitUntil(mutex_, deadline);
      }
    }
    absl::Status status = call.status;
    mutex_.Unlock();
    if (const absl::Status cancelled = call.cancel.status(); !cancelled.ok()) return cancelled;
    if (!status.ok()) return status;
    return std::move(call.results);
  }

  Client& ClientOf(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (Client& client : clients_) {
      if (client.name == name) return client;
    }
    return clients_.emplace_back(Client{name, {}});
  }

  // Takes what waits of `call` out of the queue.
  void DropItems(const std::string& client, Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto it = clients_.begin(); it != clients_.end(); ++it) {
      if (it->name != client) continue;
      const size_t dropped = std::erase_if(it->waiting, [&](const Waiting& waiting) { return waiting.call == &call; });
      call.open -= dropped;
      queued_ -= static_cast<int64_t>(dropped);
      if (it->waiting.empty()) clients_.erase(it);
      TellQueue();
      return;
    }
  }

  // True if a batch may start now; else `ready_at` says when.
  bool CanStart(Clock::time_point* ready_at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (queued_ == 0) return false;
    if (options_.hold_time <= Clock::duration::zero()) return true;
    // Of the key that would go next.
    const std::string& key = clients_.front().waiting.front().key;
    int count = 0;
    Clock::time_point oldest = Clock::time_point::max();
    for (const Client& client : clients_) {
      for (const Waiting& waiting : client.waiting) {
        if (waiting.key != key) continue;
        ++count;
        oldest = std::min(oldest, waiting.arrived);
      }
    }
    *ready_at = oldest + options_.hold_time;
    return count >= limit_.items() || options_.now() >= *ready_at;
  }

  // Takes up to as many items of one key as the limit says, clients in turn. Empty if all that waited had been
  // cancelled.
  Batch TakeBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Batch batch;
    std::string key;
    // A client that gave an item goes to the end. Those before `it` had none of the key: they keep their turn, or the
    // many of one key would keep a single one of another waiting for ever.
    for (auto it = clients_.begin(); it != clients_.end() && static_cast<int>(batch.size()) < limit_.items();) {
      const bool took = TakeItem(*it, key, batch);
      if (it->waiting.empty()) {
        it = clients_.erase(it);
      } else if (!took) {
        ++it;
      } else if (const auto next = std::next(it); next != clients_.end()) {
        clients_.splice(clients_.end(), clients_, it);
        it = next;
      }
    }
    TellQueue();
    return batch;
  }

  bool TakeItem(Client& client, std::string& key, Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto it = client.waiting.begin(); it != client.waiting.end();) {
      Call& call = *it->call;
      if (!call.status.ok() || call.cancel.over()) {
        --queued_;
        if (--call.open == 0) changed_.NotifyAll();
        it = client.waiting.erase(it);
        continue;
      }
      if (batch.empty() || it->key == key) {
        key = it->key;
        batch.push_back(std::move(*it));
        client.waiting.erase(it);
        --queued_;
        return true;
      }
      ++it;
    }
    return false;
  }

  void RunAndFinish(Batch batch) {
    const Clock::time_point start = options_.now();
    if (options_.observer.on_start) {
      for (const Waiting& waiting : batch) options_.observer.on_start(start - waiting.arrived);
    }
    for (size_t begin = 0; begin < batch.size();) begin = RunItems(batch, begin);
    {
      const MutexLock lock(mutex_);
      --running_;
    }
    changed_.NotifyAll();
  }

  // Runs items from `begin` on, fewer when memory runs out, and finishes them. Returns where it ended.
  size_t RunItems(const Batch& batch, size_t begin) {
    size_t size = batch.size() - begin;
    while (true) {
      size = std::min<size_t>(size, static_cast<size_t>(limit()));
      std::vector<Item*> items;
      for (size_t i = begin; i < begin + size; ++i) items.push_back(&batch[i].call->items[batch[i].index]);
      const Clock::time_point start = options_.now();
      absl::StatusOr<std::vector<Result>> results = run_(items);
      const auto took = options_.now() - start;
      if (absl::IsResourceExhausted(results.status()) && size > 1) {
        size = static_cast<size_t>(RanOutOfMemory(static_cast<int>(size)));
        continue;
      }
      if (results.ok() && results->size() != size) {
        results = MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                            absl::StrCat("a batch of ", size, " gave ", results->size(), " results"));
      }
      if (options_.observer.on_batch) options_.observer.on_batch(static_cast<int>(size), took);
      if (results.ok()) LearnLimit(static_cast<int>(size), took);
      FinishItems(batch, begin, size, std::move(results));
      return begin + size;
    }
  }

  void FinishItems(const Batch& batch, size_t begin, size_t size, absl::StatusOr<std::vector<Result>> results) {
    {
      const MutexLock lock(mutex_);
      for (size_t i = 0; i < size; ++i) {
        const Waiting& waiting = batch[begin + i];
        --waiting.call->open;
        if (results.ok()) {
          waiting.call->results[waiting.index] = std::move((*results)[i]);
        } else if (waiting.call->status.ok()) {
          waiting.call->status = results.status();
        }
      }
    }
    changed_.NotifyAll();
  }

  // Returns what to try instead: half, or what went well before.
  int RanOutOfMemory(int size) {
    const MutexLock lock(mutex_);
    limit_.RanOutOfMemory(size);
    if (options_.observer.on_limit) options_.observer.on_limit(limit_.items(), true);
    return limit_.items();
  }

  void LearnLimit(int size, Clock::duration took) {
    const MutexLock lock(mutex_);
    const int before = limit_.items();
    limit_.Succeeded(size, took);
    if (limit_.items() != before && options_.observer.on_limit) options_.observer.on_limit(limit_.items(), false);
  }

  void TellQueue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (options_.observer.on_queue) options_.observer.on_queue(queued_);
  }

  // Constant after construction.
  const BatcherOptions options_;
  const KeyOf key_of_;
  const RunBatch run_;

  mutable Mutex mutex_;
  // The queue, a call or the number of running batches changed.
  CondVar changed_;
  // Guarded by mutex_.
  int64_t queued_ ABSL_GUARDED_BY(mutex_) = 0;
  // Clients with waiting items, in the order of their turns.
  std::list<Client> clients_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  BatchLimit limit_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace reelsight::batching
