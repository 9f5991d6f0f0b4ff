// SPDX-License-Identifier: Apache-2.0
//
// Keeps loaded things (models) in memory up to a budget of bytes: the least recently used one goes first, one in use
// never. Not a cache of answers: values are loaded by the cache itself, each once.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "shared/base/cancel_token.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"
#include "shared/cache/cache_options.h"
#include "shared/cache/lru_entries.h"
#include "shared/cache/room_signal.h"

namespace reelsight::cache {

// Thread-safe. Handles may outlive the cache.
//
// Lock order: its mutex, then the signal's. Values are loaded and destroyed, handles given back and memory measured
// without either.
template <typename Value>
class PinnedLruCache {
 public:
  // A loaded value and what it is charged for.
  struct Loaded {
    std::shared_ptr<const Value> value;
    int64_t bytes = 0;
  };
  using Load = std::function<absl::StatusOr<Loaded>()>;

  using Pinned = PinnedValue<Value>;

  explicit PinnedLruCache(CacheOptions options) : options_(std::move(options)) {}
  PinnedLruCache(const PinnedLruCache&) = delete;
  PinnedLruCache& operator=(const PinnedLruCache&) = delete;

  // The value of `key`; loads it where it is not there. Callers that want a key while it is being loaded wait for that
  // one load, and get its value or its error, or leave when their own token is cancelled; the load goes on.
  // `estimated_bytes`, or what the first load was measured at, is made free before the load, idle values going first,
  // least recently used first; what the load then says is charged. RESOURCE_EXHAUSTED, MODEL_TOO_LARGE, if it does not
  // fit, or not beside the values in use for the time of `max_wait` (then none is evicted for it), or memory is short;
  // else what `load` says. A caller that holds one value while it waits for another may wait for itself.
  absl::StatusOr<Pinned> Acquire(const std::string& key, int64_t estimated_bytes, const Load& load,
                                 const CancelToken& cancel) {
    const CancelToken::Callback wake(cancel, [signal = signal_] { signal->Ring(); });
    Caller caller(*this, Clock::now());
    for (bool first = true;; first = false) {
      RETURN_IF_ERROR(cancel.status());
      const uint64_t rings = signal_->rings();
      std::vector<Victim> victims;
      Turn turn = NextTurn(key, estimated_bytes, caller, &victims);
      DestroyVictims(std::move(victims));
      if (first && options_.observer.on_use)
        options_.observer.on_use(key, turn.what == Turn::kAnswer && turn.answer.ok());
      switch (turn.what) {
        case Turn::kAnswer:
          return std::move(turn.answer);
        case Turn::kLoad:
          LoadEntry(key, load, *turn.flight, caller);
          if (!turn.flight->again) return turn.flight->result;
          break;
        case Turn::kFollow:
          RETURN_IF_ERROR(WaitForLoad(*turn.flight, cancel));
          if (!turn.flight->again) return turn.flight->result;
          break;
        case Turn::kWait:
          signal_->WaitAfter(rings, std::min(turn.until, cancel.deadline()));
          break;
      }
    }
  }

  // Evicts what nobody had in use for the time of `ttl`, and, where memory is short, more. Returns how many.
  int Sweep() {
    std::vector<Victim> victims;
    {
      const MutexLock lock(mutex_);
      entries_.EvictExpired(&victims);
    }
    const int count = static_cast<int>(victims.size());
    DestroyVictims(std::move(victims));
    return count + EvictUntilSoft();
  }

  // Evicts everything that nobody uses. Returns how many.
  int EvictIdle() {
    std::vector<Victim> victims;
    {
      const MutexLock lock(mutex_);
      while (entries_.EvictOldestIdle(&victims)) {
      }
    }
    const int count = static_cast<int>(victims.size());
    DestroyVictims(std::move(victims));
    return count;
  }

  int64_t used_bytes() const {
    const MutexLock lock(mutex_);
    return entries_.used_bytes();
  }
  int64_t budget_bytes() const { return options_.budget_bytes; }
  // True if the value is loaded now; not a use.
  bool Contains(const std::string& key) const {
    const MutexLock lock(mutex_);
    return entries_.IsLoaded(key);
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Flight = LoadFlight<Value>;
  using Entries = LruEntries<Value>;
  using Victim = typename Entries::Victim;
  // One call of Acquire, and its place in the queue for room.
  class Caller {
   public:
    Caller(PinnedLruCache& cache, Clock::time_point start) : start(start), cache_(cache) {}
    ~Caller() {
      if (!queued) return;
      const MutexLock lock(cache_.mutex_);
      cache_.LeaveQueue(*this);
    }
    const Clock::time_point start;
    // Guarded by the cache's lock; changed by the caller's own thread.
    bool queued = false;

   private:
    PinnedLruCache& cache_;
  };
  // What a caller is to do.
  struct Turn {
    enum What { kAnswer, kLoad, kFollow, kWait };
    What what = kAnswer;
    absl::StatusOr<Pinned> answer = Pinned();
    std::shared_ptr<Flight> flight;
    Clock::time_point until = {};
  };
  struct Failure {
    absl::Status status;
    Clock::time_point until;
  };
  Turn NextTurn(const std::string& key, int64_t estimated_bytes, Caller& caller, std::vector<Victim>* victims) {
    const MutexLock lock(mutex_);
    if (const auto* const entry = entries_.Find(key); entry != nullptr) {
      if (entry->flight != nullptr) return {.what = Turn::kFollow, .flight = entry->flight};
      // Those who wait for room come first, or values in use by one after the other would keep them out for ever. But
      // not for long: they may wait for what this caller holds.
      const Clock::time_point patience = caller.start + options_.max_wait / 10;
      if (!queue_.empty() && !caller.queued && Clock::now() < patience) return {.what = Turn::kWait, .until = patience};
      Pinned pinned{entries_.MakeHandle(*entry), true};
      entries_.EvictExpired(victims);
      return {.answer = std::move(pinned)};
    }
    entries_.EvictExpired(victims);
    if (const auto failure = failures_.find(key); failure != failures_.end()) {
      if (options_.now() < failure->second.until) return {.answer = failure->second.status};
      failures_.erase(failure);
    }
    if (const auto measured = measured_bytes_.find(key); measured != measured_bytes_.end()) {
      estimated_bytes = measured->second;
    }
    const Clock::time_point until = caller.start + options_.max_wait;
    const bool may_wait = estimated_bytes <= options_.budget_bytes && Clock::now() < until;
    const bool others_first = !queue_.empty() && queue_.front() != &caller;
    if (!others_first || !may_wait) {
      const absl::Status room = entries_.MakeRoom(key, estimated_bytes, victims);
      if (room.ok()) {
        LeaveQueue(caller);
        return {.what = Turn::kLoad, .flight = entries_.Add(key, estimated_bytes)};
      }
      if (!may_wait) return {.answer = room};
    }
    if (!caller.queued) queue_.push_back(&caller);
    caller.queued = true;
    return {.what = Turn::kWait, .until = until};
  }

  void LeaveQueue(Caller& caller) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!caller.queued) return;
    caller.queued = false;
    queue_.remove(&caller);
    signal_->Ring();
  }

  // OK: it is done.
  absl::Status WaitForLoad(Flight& flight, const CancelToken& cancel) {
    const CancelToken::Callback wake(cancel, [this] {
      { const MutexLock lock(mutex_); }
      changed_.NotifyAll();
    });
    {
      const MutexLock lock(mutex_);
      while (!flight.done && !cancel.over()) {
        if (cancel.deadline() == Clock::time_point::max()) {
          changed_.Wait(mutex_);
        } else {
          changed_.WaitUntil(mutex_, cancel.deadline());
        }
      }
      if (flight.done) return absl::OkStatus();
    }
    return cancel.status();
  }

  // Destroys outside the lock: a destructor may take long, or call the cache.
  void DestroyVictims(std::vector<Victim> victims) {
    for (Victim& victim : victims) {
      victim.value.reset();
      if (options_.observer.on_evict) options_.observer.on_evict(victim.key, victim.age);
    }
    if (!victims.empty() && options_.after_evict) options_.after_evict();
  }

  // Returns how many were evicted.
  int EvictUntilSoft() {
    int count = 0;
    while (options_.used_fraction && options_.used_fraction() > options_.soft_fraction) {
      std::vector<Victim> victims;
      {
        const MutexLock lock(mutex_);
        if (!entries_.EvictOldestIdle(&victims)) return count;
      }
      ++count;
      DestroyVictims(std::move(victims));
    }
    return count;
  }

  absl::Status CheckPressure(const std::string& key) {
    EvictUntilSoft();
    if (!options_.used_fraction) return absl::OkStatus();
    const double used = options_.used_fraction();
    if (used <= options_.hard_fraction) return absl::OkStatus();
    return MakeError(absl::StatusCode::kResourceExhausted, Reason::kModelTooLarge,
                     absl::StrCat("memory is short (", static_cast<int>(used * 100), "% in use), ", key,
                                  " is not loaded now; free memory or try again"));
  }

  void LoadEntry(const std::string& key, const Load& load, Flight& flight, const Caller& caller) {
    // A refusal is no failure of the load: it holds for those who wait, not for those who come.
    absl::Status refused = CheckPressure(key);
    absl::StatusOr<Loaded> loaded = Loaded();
    if (!refused.ok()) {
      loaded = refused;
    } else {
      const Clock::time_point start = options_.now();
      loaded = load();
      if (options_.observer.on_load) options_.observer.on_load(key, loaded.status(), options_.now() - start);
    }
    std::vector<Victim> victims;
    {
      const MutexLock lock(mutex_);
      auto& entry = *entries_.Find(key);
      entries_.SetBytes(entry, 0);
      if (loaded.ok()) {
        loaded->bytes = measured_bytes_.try_emplace(key, loaded->bytes).first->second;
        refused = entries_.MakeRoom(key, loaded->bytes, &victims);
      } else if (refused.ok()) {
        failures_[key] = {loaded.status(), options_.now() + options_.failure_backoff};
      }
      if (loaded.ok() && refused.ok()) {
        entry.value = std::move(loaded->value);
        entry.flight = nullptr;
        entries_.SetBytes(entry, loaded->bytes);
        flight.result = Pinned{entries_.MakeHandle(entry), false};
      } else {
        flight.result = refused.ok() ? loaded.status() : refused;
        flight.again =
            loaded.ok() && loaded->bytes <= options_.budget_bytes && Clock::now() < caller.start + options_.max_wait;
        entries_.Remove(key);
      }
      flight.done = true;
    }
    changed_.NotifyAll();
    signal_->Ring();
    DestroyVictims(std::move(victims));
  }

  // Constant after construction; what the pointers lead to synchronises itself, and lives as long as handles do.
  const CacheOptions options_;
  const std::shared_ptr<RoomSignal> signal_ = std::make_shared<RoomSignal>();

  mutable Mutex mutex_;
  // A load ended.
  CondVar changed_;
  // Guarded by mutex_.
  Entries entries_ ABSL_GUARDED_BY(mutex_){options_, signal_};
  // Last failures, for the back-off.
  std::map<std::string, Failure> failures_ ABSL_GUARDED_BY(mutex_);
  // What loaded values took the first time, which holds: later loads fill memory that evicted ones left, or grow beside
  // other work, so that their sizes vary, and what fitted once must fit again.
  std::map<std::string, int64_t> measured_bytes_ ABSL_GUARDED_BY(mutex_);
  // Who waits for room, in the order of coming.
  std::list<const Caller*> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace reelsight::cache
