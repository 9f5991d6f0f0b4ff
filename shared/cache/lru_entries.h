// SPDX-License-Identifier: Apache-2.0
//
// The values of a cache, what they are charged for and who of them goes first. Knows nothing of waiting and loading.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/cache/cache_options.h"
#include "shared/cache/room_signal.h"

namespace reelsight::cache {

// A value in use: it is not evicted while a copy of `value` lives.
template <typename Value>
struct PinnedValue {
  std::shared_ptr<const Value> value;
  bool hit = false;
};

// One load that others may wait for. Guarded by the cache's lock until it is done, constant afterwards.
template <typename Value>
struct LoadFlight {
  bool done = false;
  // It was larger than thought, and has to wait for room: everybody looks again.
  bool again = false;
  absl::StatusOr<PinnedValue<Value>> result = absl::UnknownError("not done");
};

// Guarded by its owner's lock; only what handles do when they go is done without.
template <typename Value>
class LruEntries {
 public:
  using Clock = std::chrono::steady_clock;
  using Flight = LoadFlight<Value>;
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
  // Evicted, and still to be destroyed: without the lock, because a destructor may take long, or call the cache.
  struct Victim {
    std::string key;
    std::shared_ptr<const Value> value;
    Clock::duration age;
  };

  // Borrows `options`.
  LruEntries(const CacheOptions& options, std::shared_ptr<RoomSignal> signal)
      : options_(options), signal_(std::move(signal)) {}

  // Null if there is none.
  Entry* Find(const std::string& key) {
    const auto it = entries_.find(key);
    return it == entries_.end() ? nullptr : &it->second;
  }
  bool IsLoaded(const std::string& key) const {
    const auto it = entries_.find(key);
    return it != entries_.end() && it->second.flight == nullptr;
  }
  // A new entry, under way, charged for what it is thought to take.
  std::shared_ptr<Flight> Add(const std::string& key, int64_t bytes) {
    Entry& entry = entries_[key];
    entry.flight = std::make_shared<Flight>();
    SetBytes(entry, bytes);
    return entry.flight;
  }
  // Charges `entry` for so much from now on.
  void SetBytes(Entry& entry, int64_t bytes) { Charge(bytes - std::exchange(entry.bytes, bytes)); }
  // Takes out an entry that is charged for nothing.
  void Remove(const std::string& key) { entries_.erase(key); }
  int64_t used_bytes() const { return used_bytes_; }

  // A handle that notes when it goes: a value is not old as long as it is in use.
  std::shared_ptr<const Value> MakeHandle(const Entry& entry) const {
    NoteUse(*entry.last_use, *uses_, options_.now());
    return std::shared_ptr<const Value>(entry.value.get(),
                                        [value = entry.value, use = entry.last_use, uses = uses_, now = options_.now,
                                         signal = signal_](const Value*) mutable {
                                          NoteUse(*use, *uses, now());
                                          value.reset();
                                          signal->Ring();
                                        });
  }

  // Evicts idle values until `bytes` fit into the budget; none, if they would not even then.
  absl::Status MakeRoom(const std::string& key, int64_t bytes, std::vector<Victim>* victims) {
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

  void EvictExpired(std::vector<Victim>* victims) {
    if (options_.ttl <= Clock::duration::zero()) return;
    for (auto it = entries_.begin(); it != entries_.end();) {
      const auto next = std::next(it);
      if (IsIdle(it->second) && AgeOf(it->second) >= options_.ttl) Evict(it, victims);
      it = next;
    }
  }

  // False if there is none. There are few entries, models, so it looks at all.
  bool EvictOldestIdle(std::vector<Victim>* victims) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (!IsIdle(it->second)) continue;
      if (oldest == entries_.end() || it->second.last_use->number < oldest->second.last_use->number) oldest = it;
    }
    if (oldest == entries_.end()) return false;
    Evict(oldest, victims);
    return true;
  }

 private:
  // Nobody but the cache holds it. Handles are made under the lock only, so it stays so.
  static bool IsIdle(const Entry& entry) { return entry.flight == nullptr && entry.value.use_count() == 1; }

  static void NoteUse(LastUse& use, std::atomic<int64_t>& uses, Clock::time_point now) {
    use.number = ++uses;
    use.time = now.time_since_epoch().count();
  }

  Clock::duration AgeOf(const Entry& entry) const {
    return options_.now().time_since_epoch() - Clock::duration(entry.last_use->time);
  }

  void Evict(typename std::map<std::string, Entry>::iterator it, std::vector<Victim>* victims) {
    Charge(-it->second.bytes);
    victims->push_back({it->first, std::move(it->second.value), AgeOf(it->second)});
    entries_.erase(it);
  }

  void Charge(int64_t bytes) {
    used_bytes_ += bytes;
    if (options_.observer.on_used) options_.observer.on_used(used_bytes_);
  }

  const CacheOptions& options_;
  // What these lead to lives as long as handles do.
  const std::shared_ptr<RoomSignal> signal_;
  // Counts uses of all values: a finer order than the clock's.
  const std::shared_ptr<std::atomic<int64_t>> uses_ = std::make_shared<std::atomic<int64_t>>(0);

  std::map<std::string, Entry> entries_;
  int64_t used_bytes_ = 0;
};

}  // namespace reelsight::cache
