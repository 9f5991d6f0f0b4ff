// SPDX-License-Identifier: Apache-2.0
//
// Models by name for the analyzers of one service: from the store through an engine into a cache, and batched across
// videos. It knows no analyzer.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/mutex.h"
#include "shared/cache/pinned_lru_cache.h"
#include "shared/inference/engine.h"
#include "shared/inference/model_source.h"
#include "shared/model_store/model_store.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::inference {

// Thread-safe. Pinned models may outlive it, but not the metrics.
class ModelRuntime final : public ModelSource {
 public:
  using EngineLoader =
      std::function<absl::StatusOr<std::unique_ptr<Engine>>(const std::string& path, const EngineOptions& options)>;

  struct Options {
    // `cpu` or `cuda:N`. Models marked cpu_only run on the CPU anyway, which results, ListAnalyzers, the log and a
    // metric say.
    std::string device = "cpu";
    // Runs at once on the CPU, of all models together: the processors of the slice. Each runs on its caller's thread.
    int threads = 1;
    // Memory for loaded models; 0: half of what the process may use.
    int64_t memory_budget_bytes = 0;
    // How long a model that fits into the budget waits for those in use to go.
    std::chrono::steady_clock::duration room_wait = std::chrono::seconds(30);
    // Models that nobody used for so long are unloaded; 0: never.
    std::chrono::steady_clock::duration idle_ttl = {};
    // How long a batch on a GPU waits for more. On a CPU samples run one by one, each on a thread.
    std::chrono::steady_clock::duration hold_time = std::chrono::milliseconds(2);
    // Batches on a GPU that take longer are made smaller, so that no video waits long for another's.
    std::chrono::steady_clock::duration target_batch_duration = std::chrono::milliseconds(250);
    // Most samples of a batch on a GPU.
    int max_batch = 64;
    // Memory of the GPU, from which the size of the first batches follows, see batching::StartBatch; 0: max_batch.
    int64_t device_memory_bytes = 0;
    // If false, float32 everywhere.
    bool half_precision = true;
    // Share of memory in use, see cache::CacheOptions; none: not looked at.
    std::function<double()> used_memory_fraction;
    // How engines are made; empty: OpenVINO for `cpu`, LibTorch, which is a plug-in, for `cuda:N`.
    EngineLoader cpu_engine;
    EngineLoader gpu_engine;
  };

  // `store` and `metrics` must outlive it; `metrics` may be nullptr. INVALID_ARGUMENT if an option is out of range,
  // FAILED_PRECONDITION if there is no engine for the device.
  static absl::StatusOr<std::unique_ptr<ModelRuntime>> Create(const model_store::ModelStore& store, Options options,
                                                              telemetry::Metrics* metrics);

  absl::StatusOr<const config::v1::ModelEntry*> Entry(std::string_view name) const override;
  const config::v1::ModelEntry* DefaultFor(std::string_view task, std::string_view role) const override;
  absl::Status Installed(std::string_view name) const override;
  absl::StatusOr<PinnedModel> Acquire(std::string_view name, const CancelToken& cancel) override;
  std::string device() const override { return options_.device; }

  // Loads models before the first request needs them. The first error, naming the model.
  absl::Status Preload(const std::vector<std::string>& names);
  // Unloads what has been idle for too long; cheap, to be called now and then.
  void Sweep() { cache_.Sweep(); }
  // Unloads everything that is not in use.
  void EvictIdle() { cache_.EvictIdle(); }

  int64_t used_bytes() const { return cache_.used_bytes(); }
  int64_t budget_bytes() const { return cache_.budget_bytes(); }

 private:
  class LoadedModel;
  class RunSlots;
  using Cache = cache::PinnedLruCache<Model>;

  ModelRuntime(const model_store::ModelStore& store, Options options, telemetry::Metrics* metrics);
  cache::CacheOptions MakeCacheOptions() const;
  absl::StatusOr<Cache::Loaded> Load(const config::v1::ModelEntry& entry, const std::string& path);
  // Empty where it cannot be written: a store may be read-only.
  std::string CompiledCacheDirectory() ABSL_EXCLUSIVE_LOCKS_REQUIRED(load_mutex_);

  const model_store::ModelStore& store_;
  const Options options_;
  telemetry::Metrics* const metrics_;
  // Shared with the models on the CPU, which may outlive this.
  const std::shared_ptr<RunSlots> cpu_slots_;
  // Looked through for idle models wherever somebody asks what is installed.
  mutable Cache cache_;

  // One load at a time, so that the memory it takes can be measured.
  Mutex load_mutex_;
  bool told_uncached_ ABSL_GUARDED_BY(load_mutex_) = false;
};

}  // namespace reelsight::inference
