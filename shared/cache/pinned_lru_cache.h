// SPDX-License-Identifier: Apache-2.0
//
// Keeps loaded things (models) in memory up to a budget of bytes: the least recently used one goes first, one in use
// never. Not a cache of answers: values are loaded by the cache itself, each once.
#pragma once

#include <algorithm>
#include <atomic>
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

namespace reelsight::cache {

// Told what happens, for metrics. Not under the cache's lock, but for on_used.
struct CacheObserver {
  std::function<void(const std::string& key, bool hit)> on_use;
  std::function<void(const std::string& key, const absl::Status& status, std::chrono::steady_clock::duration took)>
      on_load;
  // `age`: since its last use.
  std::function<void(const std::string& key, std::chrono::steady_clock::duration age)> on_evict;
  std::function<void(int64_t used_bytes)> on_used;
};

struct CacheOptions {
  // Most bytes of all values together.
  int64_t budget_bytes = 0;
  // Values that nobody has in use for so long are dropped, by Sweep and whenever another is acquired; 0: never.
  std::chrono::steady_clock::duration ttl = {};
  // Share of the device's memory that is in use, in [0, 1], for memory that others take too; none: not looked at.
  // Called without the lock.
  std::function<double()> used_fraction;
  // Over it, idle values are evicted, one by one until it is not, before a load and by Sweep.
  double soft_fraction = 0.85;
  // Over it, after that, loads are refused.
  double hard_fraction = 0.90;
  // After a failed load the same error is given for so long without trying again, against reload storms; 0: never.
  std::chrono::steady_clock::duration failure_backoff = {};
  // How long Acquire waits for values in use to go, where the value fits into the budget without them. Who comes first
  // is served first; meanwhile those who want what is loaded wait too, a tenth as long. 0: refuses at once.
  std::chrono::steady_clock::duration max_wait = {};
  // Called after evicted values were destroyed, without the lock: gives memory that the allocator keeps back to the
  // system, so that used_fraction sees it.
  std::function<void()> after_evict;
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
  CacheObserver observer;
};

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

  // A value in use: it is not evicted while a copy of `value` lives.
  struct Pinned {
    std::shared_ptr<const Value> value;
    bool hit = false;
  };

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
      EvictExpired(&victims);
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
      while (EvictOldestIdle(&victims)) {
      }
    }
    const int count = static_cast<int>(victims.size());
    DestroyVictims(std::move(victims));
    return count;
  }

  int64_t used_bytes() const {
    const MutexLock lock(mutex_);
    return used_bytes_;
  }
  int64_t budget_bytes() const { return options_.budget_bytes; }
  // True if the value is loaded now; not a use.
  bool Contains(const std::string& key) const {
    const MutexLock lock(mutex_);
    const auto it = entries_.find(key);
    return it != entries_.end() && it->second.flight == nullptr;
  }

 private:
  using Clock = std::chrono::steady_clock;
  // One load that others may wait for. Guarded by the cache's lock until it is done, constant afterwards.
  struct Flight {
    bool done = false;
    // It was larger than thought, and has to wait for room: everybody looks again.
    bool again = false;
    absl::StatusOr<Pinned> result = absl::UnknownError("not done");
  };
  // Rings when there may be room: a value is no longer in use, a load ended, a caller left the queue. Outlives the
  // cache, as handles do.
  class Signal {
   public:
    void Ring() {
      {
        const MutexLock lock(mutex_);
        ++rings_;
      }
      rung_.NotifyAll();
    }
    uint64_t rings() const {
      const MutexLock lock(mutex_);
      return rings_;
    }
    // Until it has rung more than `rings` times.
    void WaitAfter(uint64_t rings, Clock::time_point until) {
      const MutexLock lock(mutex_);
      while (rings_ == rings && Clock::now() < until) {
        if (until == Clock::time_point::max()) {
          rung_.Wait(mutex_);
        } else {
          rung_.WaitUntil(mutex_, until);
        }
      }
    }

   private:
    mutable Mutex mutex_;
    CondVar rung_;
    uint64_t rings_ ABSL_GUARDED_BY(mutex_) = 0;
  };
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
  // The last use of a value. Written by handles when they go, without the lock, also after the cache is gone.
  struct LastUse {
    std::atomic<int64_t> number = 0;
    std::atomic<Clock::rep> time = 0;
  };
  struct Entry {
    std::shared_ptr<const Value> value;
    // While it is being loaded.
    std::shared_ptr<Flight> flight;
    int64_t bytes = 0;
    std::shared_ptr<LastUse> last_use = std::make_shared<LastUse>();
  };
  struct Failure {
    absl::Status status;
    Clock::time_point until;
  };
  struct Victim {
    std::string key;
    std::shared_ptr<const Value> value;
    Clock::duration age;
  };

  // Nobody but the cache holds it. Handles are made under the lock only, so it stays so.
  static bool IsIdle(const Entry& entry) { return entry.flight == nullptr && entry.value.use_count() == 1; }

  static void NoteUse(LastUse& use, std::atomic<int64_t>& uses, Clock::time_point now) {
    use.number = ++uses;
    use.time = now.time_since_epoch().count();
  }

  Clock::duration AgeOf(const Entry& entry) const {
    return options_.now().time_since_epoch() - Clock::duration(entry.last_use->time);
  }

  // A handle that notes when it goes: a value is not old as long as it is in use.
  std::shared_ptr<const Value> MakeHandle(const Entry& entry) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    NoteUse(*entry.last_use, *uses_, options_.now());
    return std::shared_ptr<const Value>(entry.value.get(),
                                        [value = entry.value, use = entry.last_use, uses = uses_, now = options_.now,
                                         signal = signal_](const Value*) mutable {
                                          NoteUse(*use, *uses, now());
                                          value.reset();
                                          signal->Ring();
                                        });
  }

  Turn NextTurn(const std::string& key, int64_t estimated_bytes, Caller& caller, std::vector<Victim>* victims) {
    const MutexLock lock(mutex_);
    if (const auto it = entries_.find(key); it != entries_.end()) {
      if (it->second.flight != nullptr) return {.what = Turn::kFollow, .flight = it->second.flight};
      // Those who wait for room come first, or values in use by one after the other would keep them out for ever. But
      // not for long: they may wait for what this caller holds.
      const Clock::time_point patience = caller.start + options_.max_wait / 10;
      if (!queue_.empty() && !caller.queued && Clock::now() < patience) return {.what = Turn::kWait, .until = patience};
      Pinned pinned{MakeHandle(it->second), true};
      EvictExpired(victims);
      return {.answer = std::move(pinned)};
    }
    EvictExpired(victims);
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
      const absl::Status room = MakeRoom(key, estimated_bytes, victims);
      if (room.ok()) {
        LeaveQueue(caller);
        Entry& entry = entries_[key];
        entry.flight = std::make_shared<Flight>();
        entry.bytes = estimated_bytes;
        Charge(estimated_bytes);
        return {.what = Turn::kLoad, .flight = entry.flight};
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

  // Evicts idle values until `bytes` fit into the budget; none, if they would not even then.
  absl::Status MakeRoom(const std::string& key, int64_t bytes, std::vector<Victim>* victims)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    int64_t idle_bytes = 0;
    for (const auto& [other, entry] : entries_) {
      if (IsIdle(entry)) idle_bytes += entry.bytes;
    }
    if (const int64_t in_use = used_bytes_ - idle_bytes; bytes > options_.budget_bytes - in_use) {
      return MakeError(absl::StatusCode::kResourceExhausted, Reason::kModelTooLarge,
                       absl::StrCat(key, " needs ", bytes, " bytes; the budget is ", options_.budget_bytes, " bytes, ",
                                    in_use, " of them in use: raise memory_budget_bytes",
                                    bytes > options_.budget_bytes ? "" : ", or try again"));
    }
    while (used_bytes_ + bytes > options_.budget_bytes && EvictOldestIdle(victims)) {
    }
    return absl::OkStatus();
  }

  void EvictExpired(std::vector<Victim>* victims) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (options_.ttl <= Clock::duration::zero()) return;
    for (auto it = entries_.begin(); it != entries_.end();) {
      const auto next = std::next(it);
      if (IsIdle(it->second) && AgeOf(it->second) >= options_.ttl) Evict(it, victims);
      it = next;
    }
  }

  // False if there is none. There are few entries, models, so it looks at all.
  bool EvictOldestIdle(std::vector<Victim>* victims) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (!IsIdle(it->second)) continue;
      if (oldest == entries_.end() || it->second.last_use->number < oldest->second.last_use->number) oldest = it;
    }
    if (oldest == entries_.end()) return false;
    Evict(oldest, victims);
    return true;
  }

  void Evict(typename std::map<std::string, Entry>::iterator it, std::vector<Victim>* victims)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Charge(-it->second.bytes);
    victims->push_back({it->first, std::move(it->second.value), AgeOf(it->second)});
    entries_.erase(it);
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
        if (!EvictOldestIdle(&victims)) return count;
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
      const auto it = entries_.find(key);
      Entry& entry = it->second;
      Charge(-std::exchange(entry.bytes, 0));
      if (loaded.ok()) {
        loaded->bytes = measured_bytes_.try_emplace(key, loaded->bytes).first->second;
        refused = MakeRoom(key, loaded->bytes, &victims);
      } else if (refused.ok()) {
        failures_[key] = {loaded.status(), options_.now() + options_.failure_backoff};
      }
      if (loaded.ok() && refused.ok()) {
        entry.bytes = loaded->bytes;
        entry.value = std::move(loaded->value);
        entry.flight = nullptr;
        Charge(entry.bytes);
        flight.result = Pinned{MakeHandle(entry), false};
      } else {
        flight.result = refused.ok() ? loaded.status() : refused;
        flight.again =
            loaded.ok() && loaded->bytes <= options_.budget_bytes && Clock::now() < caller.start + options_.max_wait;
        entries_.erase(it);
      }
      flight.done = true;
    }
    changed_.NotifyAll();
    signal_->Ring();
    DestroyVictims(std::move(victims));
  }

  void Charge(int64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    used_bytes_ += bytes;
    if (options_.observer.on_used) options_.observer.on_used(used_bytes_);
  }

  // Constant after construction; what the pointers lead to synchronises itself, and lives as long as handles do.
  const CacheOptions options_;
  const std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();
  // Counts uses of all values: a finer order than the clock's.
  const std::shared_ptr<std::atomic<int64_t>> uses_ = std::make_shared<std::atomic<int64_t>>(0);

  mutable Mutex mutex_;
  // A load ended.
  CondVar changed_;
  // Guarded by mutex_.
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  // Last failures, for the back-off.
  std::map<std::string, Failure> failures_ ABSL_GUARDED_BY(mutex_);
  // What loaded values took the first time, which holds: later loads fill memory that evicted ones left, or grow beside
  // other work, so that their sizes vary, and what fitted once must fit again.
  std::map<std::string, int64_t> measured_bytes_ ABSL_GUARDED_BY(mutex_);
  int64_t used_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Who waits for room, in the order of coming.
  std::list<const Caller*> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace reelsight::cache
