// SPDX-License-Identifier: Apache-2.0
//
// Keeps loaded things (models) in memory up to a budget of bytes: the least recently used one goes first, one in use
// never. Not a cache of answers: values are loaded by the cache itself, each once.
#pragma once

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

// `fraction` of `total_bytes`, for budgets given as a share of a device's memory. REQUIRES: fraction in [0, 1].
inline int64_t BudgetBytes(int64_t total_bytes, double fraction) {
  return static_cast<int64_t>(static_cast<double>(total_bytes) * fraction);
}

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
  // Values that nobody used for so long are dropped by Sweep; 0: never.
  std::chrono::steady_clock::duration ttl = {};
  // Share of the device's memory that is in use, in [0, 1], for memory that others take too; none: not looked at.
  std::function<double()> used_fraction;
  // Over it, idle values are evicted before a load.
  double soft_fraction = 0.85;
  // Over it, after that, loads are refused.
  double hard_fraction = 0.90;
  // After a failed load the same error is given for so long without trying again, against reload storms; 0: never.
  std::chrono::steady_clock::duration failure_backoff = {};
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
  CacheObserver observer;
};

// Thread-safe. Handles may outlive the cache.
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
  // one load, or until their own token is cancelled; the load goes on. `estimated_bytes` is made free before the load,
  // idle values going first; what the load then says is charged. RESOURCE_EXHAUSTED, MODEL_TOO_LARGE, if it does not
  // fit beside the values in use, or memory is short; else what `load` says.
  absl::StatusOr<Pinned> Acquire(const std::string& key, int64_t estimated_bytes, const Load& load,
                                 const CancelToken& cancel) {
    bool counted = false;
    while (true) {
      RETURN_IF_ERROR(cancel.status());
      std::vector<Victim> victims;
      absl::StatusOr<Pinned> found = Pinned();
      const Step step = Look(key, estimated_bytes, cancel, &victims, &found);
      DestroyVictims(std::move(victims));
      if (!counted && step != Step::kAgain) {
        counted = true;
        if (options_.observer.on_use) options_.observer.on_use(key, step == Step::kFound && found.ok() && found->hit);
      }
      if (step == Step::kFound) return found;
      if (step == Step::kLoad) return LoadAndPut(key, load);
    }
  }

  // Evicts what nobody used for the time of `ttl`. Returns how many.
  int Sweep() {
    if (options_.ttl <= Clock::duration::zero()) return 0;
    std::vector<Victim> victims;
    {
      const MutexLock lock(mutex_);
      const Clock::time_point limit = options_.now() - options_.ttl;
      for (auto it = order_.begin(); it != order_.end();) {
        const auto next = std::next(it);
        const Entry& entry = entries_.at(*it);
        if (!entry.loading && entry.last_used <= limit && Idle(entry)) Evict(*it, &victims);
        it = next;
      }
    }
    const int count = static_cast<int>(victims.size());
    DestroyVictims(std::move(victims));
    return count;
  }

  // Evicts everything that nobody uses. Returns how many.
  int EvictIdle() {
    std::vector<Victim> victims;
    {
      const MutexLock lock(mutex_);
      EvictIdleLocked(&victims);
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
    return it != entries_.end() && !it->second.loading;
  }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Step { kFound, kLoad, kAgain };

  struct Entry {
    std::shared_ptr<const Value> value;
    bool loading = false;
    int64_t bytes = 0;
    Clock::time_point last_used;
    std::list<std::string>::iterator place;
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

  static bool Idle(const Entry& entry) { return entry.value.use_count() == 1; }

  Step Look(const std::string& key, int64_t estimated_bytes, const CancelToken& cancel, std::vector<Victim>* victims,
            absl::StatusOr<Pinned>* found) {
    const CancelToken::Callback wake(cancel, [this] {
      { const MutexLock lock(mutex_); }
      changed_.NotifyAll();
    });
    const MutexLock lock(mutex_);
    if (const auto it = entries_.find(key); it != entries_.end()) {
      Entry& entry = it->second;
      if (!entry.loading) {
        entry.last_used = options_.now();
        order_.splice(order_.end(), order_, entry.place);
        *found = Pinned{entry.value, true};
        return Step::kFound;
      }
      if (!cancel.over()) {
        if (cancel.deadline() == Clock::time_point::max()) {
          changed_.Wait(mutex_);
        } else {
          changed_.WaitUntil(mutex_, cancel.deadline());
        }
      }
      // A load that failed is told to all who waited for it.
      if (const auto failure = failures_.find(key); !entries_.contains(key) && failure != failures_.end()) {
        *found = failure->second.status;
        return Step::kFound;
      }
      return Step::kAgain;
    }
    if (const auto failure = failures_.find(key); failure != failures_.end()) {
      if (options_.now() < failure->second.until) {
        *found = failure->second.status;
        return Step::kFound;
      }
      failures_.erase(failure);
    }
    if (absl::Status room = MakeRoom(key, estimated_bytes, victims); !room.ok()) {
      // What was evicted is freed only after the lock: then memory is looked at again.
      if (!victims->empty()) return Step::kAgain;
      *found = std::move(room);
      return Step::kFound;
    }
    Entry& entry = entries_[key];
    entry.loading = true;
    entry.bytes = estimated_bytes;
    entry.place = order_.insert(order_.end(), key);
    Charge(estimated_bytes);
    return Step::kLoad;
  }

  absl::Status MakeRoom(const std::string& key, int64_t bytes, std::vector<Victim>* victims)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto it = order_.begin(); it != order_.end() && used_bytes_ + bytes > options_.budget_bytes;) {
      const auto next = std::next(it);
      const Entry& entry = entries_.at(*it);
      if (!entry.loading && Idle(entry)) Evict(*it, victims);
      it = next;
    }
    if (used_bytes_ + bytes > options_.budget_bytes) {
      return MakeError(
          absl::StatusCode::kResourceExhausted, Reason::kModelTooLarge,
          absl::StrCat(key, " needs about ", bytes, " bytes; the budget is ", options_.budget_bytes, " bytes, ",
                       used_bytes_, " of them in use: raise memory_budget_bytes, or try again"));
    }
    if (!options_.used_fraction) return absl::OkStatus();
    const double used = options_.used_fraction();
    if (used > options_.soft_fraction) EvictIdleLocked(victims);
    if (used > options_.hard_fraction) {
      return MakeError(absl::StatusCode::kResourceExhausted, Reason::kModelTooLarge,
                       absl::StrCat("memory is short (", static_cast<int>(used * 100), "% in use), ", key,
                                    " is not loaded now; free memory or try again"));
    }
    return absl::OkStatus();
  }

  void EvictIdleLocked(std::vector<Victim>* victims) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto it = order_.begin(); it != order_.end();) {
      const auto next = std::next(it);
      const Entry& entry = entries_.at(*it);
      if (!entry.loading && Idle(entry)) Evict(*it, victims);
      it = next;
    }
  }

  // `key` by value: it may be the list's own element, which goes.
  void Evict(std::string key, std::vector<Victim>* victims) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto it = entries_.find(key);
    Charge(-it->second.bytes);
    order_.erase(it->second.place);
    victims->push_back({std::move(key), std::move(it->second.value), options_.now() - it->second.last_used});
    entries_.erase(it);
  }

  // Destroys outside the lock: a destructor may take long, or call the cache.
  void DestroyVictims(std::vector<Victim> victims) {
    for (Victim& victim : victims) {
      victim.value.reset();
      if (options_.observer.on_evict) options_.observer.on_evict(victim.key, victim.age);
    }
  }

  absl::StatusOr<Pinned> LoadAndPut(const std::string& key, const Load& load) {
    const Clock::time_point start = options_.now();
    absl::StatusOr<Loaded> loaded = load();
    if (loaded.ok() && loaded->bytes > options_.budget_bytes) {
      loaded = MakeError(absl::StatusCode::kResourceExhausted, Reason::kModelTooLarge,
                         absl::StrCat(key, " takes ", loaded->bytes, " bytes, more than the whole budget of ",
                                      options_.budget_bytes, " bytes: raise memory_budget_bytes"));
    }
    std::vector<Victim> victims;
    absl::StatusOr<Pinned> pinned = Pinned();
    {
      const MutexLock lock(mutex_);
      Entry& entry = entries_.at(key);
      Charge(-entry.bytes);
      if (loaded.ok()) {
        entry.bytes = loaded->bytes;
        entry.value = loaded->value;
        entry.loading = false;
        entry.last_used = options_.now();
        order_.splice(order_.end(), order_, entry.place);
        Charge(entry.bytes);
        pinned = Pinned{entry.value, false};
        // It may be larger than was thought; it stays, others go.
        for (auto it = order_.begin(); it != order_.end() && used_bytes_ > options_.budget_bytes;) {
          const auto next = std::next(it);
          const Entry& other = entries_.at(*it);
          if (!other.loading && Idle(other)) Evict(*it, &victims);
          it = next;
        }
      } else {
        order_.erase(entry.place);
        entries_.erase(key);
        pinned = loaded.status();
        failures_[key] = {loaded.status(), options_.now() + options_.failure_backoff};
      }
    }
    changed_.NotifyAll();
    if (options_.observer.on_load) options_.observer.on_load(key, loaded.status(), options_.now() - start);
    DestroyVictims(std::move(victims));
    return pinned;
  }

  void Charge(int64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    used_bytes_ += bytes;
    if (options_.observer.on_used) options_.observer.on_used(used_bytes_);
  }

  const CacheOptions options_;

  mutable Mutex mutex_;
  // A load ended.
  CondVar changed_;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  // Least recently used first.
  std::list<std::string> order_ ABSL_GUARDED_BY(mutex_);
  // Last failures; told to those who waited, and to all during the back-off.
  std::map<std::string, Failure> failures_ ABSL_GUARDED_BY(mutex_);
  int64_t used_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace reelsight::cache
