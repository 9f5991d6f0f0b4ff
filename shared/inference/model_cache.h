// SPDX-License-Identifier: Apache-2.0
//
// Loaded models within a budget of memory: each is loaded once, one in use stays, and what nobody uses goes when it has
// been idle for long, when memory is short, or to make room. It looks for the first two by itself, about once a second.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shared/base/cancel_token.h"
#include "shared/cache/pinned_lru_cache.h"
#include "shared/concurrency/ticker.h"
#include "shared/inference/model_options.h"
#include "shared/inference/model_source.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::inference {

// Thread-safe. Pinned models may outlive it, but not the metrics. Models are destroyed on the thread that evicts them:
// the one of the upkeep, or the caller of Acquire that needs their room. Never under a lock, and never by a question.
class ModelCache {
 public:
  using Models = cache::PinnedLruCache<Model>;

  // `metrics` must outlive it; may be nullptr. REQUIRES: options.memory_budget_bytes > 0.
  ModelCache(const ModelOptions& options, telemetry::Metrics* metrics);

  // See PinnedLruCache::Acquire.
  absl::StatusOr<PinnedModel> Acquire(const std::string& name, int64_t estimated_bytes, const Models::Load& load,
                                      const CancelToken& cancel);

  // One turn of upkeep, on the caller's thread: unloads what has been idle for too long, and, reading once how much
  // memory is in use, the least recently used while that is too much. Then memory goes back to the system.
  void Maintain() { models_.Sweep(); }
  // Unloads everything that is not in use.
  void EvictIdle() { models_.EvictIdle(); }

  int64_t used_bytes() const { return models_.used_bytes(); }
  int64_t budget_bytes() const { return models_.budget_bytes(); }

 private:
  Models models_;
  // The upkeep; the last member, so that it ends first. None where there is nothing to keep up.
  std::optional<concurrency::Ticker> ticker_;
};

}  // namespace reelsight::inference
