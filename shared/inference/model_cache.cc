// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/model_cache.h"

#include <malloc.h>

#include <chrono>
#include <utility>

#include "shared/base/status.h"

namespace reelsight::inference {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

cache::CacheOptions ToCacheOptions(const ModelOptions& from, telemetry::Metrics* metrics) {
  cache::CacheOptions options;
  options.budget_bytes = from.memory_budget_bytes;
  options.ttl = from.idle_ttl;
  options.max_wait = from.room_wait;
  options.used_fraction = from.used_memory_fraction;
  options.failure_backoff = std::chrono::seconds(5);
  options.after_evict = [] { malloc_trim(0); };
  options.now = from.now;
  if (metrics == nullptr) return options;
  telemetry::ModelMetrics* const models = &metrics->models();
  options.observer.on_use = [models](const std::string& key, bool hit) {
    (hit ? models->cache_hits_total : models->cache_misses_total).Add({key});
  };
  options.observer.on_load = [models](const std::string& key, const absl::Status& status, Clock::duration took) {
    models->loads_total.Add({key, telemetry::CodeLabel(status.code())});
    models->load_duration_seconds.Observe({key}, Seconds(took));
    if (status.ok()) models->loaded.Set({key}, 1);
  };
  options.observer.on_evict = [models](const std::string& key, Clock::duration age) {
    models->evictions_total.Add({key});
    models->age_at_eviction_seconds.Observe({key}, Seconds(age));
    models->loaded.Set({key}, 0);
  };
  options.observer.on_used = [models](int64_t used_bytes) {
    models->cache_used_bytes.Set({}, static_cast<double>(used_bytes));
  };
  return options;
}

}  // namespace

ModelCache::ModelCache(const ModelOptions& options, telemetry::Metrics* metrics)
    : models_(ToCacheOptions(options, metrics)) {
  if (metrics != nullptr) {
    metrics->models().cache_budget_bytes.Set({}, static_cast<double>(options.memory_budget_bytes));
  }
  const bool anything = options.idle_ttl > Clock::duration::zero() || options.used_memory_fraction;
  if (anything && options.upkeep_period > Clock::duration::zero()) {
    ticker_.emplace(options.upkeep_period, [this] { Maintain(); });
  }
}

absl::StatusOr<PinnedModel> ModelCache::Acquire(const std::string& name, int64_t estimated_bytes,
                                                const Models::Load& load, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(Models::Pinned pinned, models_.Acquire(name, estimated_bytes, load, cancel));
  return PinnedModel{std::move(pinned.value), pinned.hit};
}

}  // namespace reelsight::inference
