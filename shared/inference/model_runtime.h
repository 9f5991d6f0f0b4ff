// SPDX-License-Identifier: Apache-2.0
//
// Models by name for the analyzers of one service: from the store through a loader into a cache. It is the three put
// together, and knows no analyzer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shared/inference/model_cache.h"
#include "shared/inference/model_loader.h"
#include "shared/inference/model_options.h"
#include "shared/inference/model_source.h"
#include "shared/model_store/model_store.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::inference {

// Thread-safe. Pinned models may outlive it, but not the metrics.
class ModelRuntime final : public ModelSource {
 public:
  using EngineLoader = inference::EngineLoader;
  using Options = ModelOptions;

  // `store` and `metrics` must outlive it; `metrics` may be nullptr. INVALID_ARGUMENT if an option is out of range,
  // FAILED_PRECONDITION if there is no engine for the device.
  static absl::StatusOr<std::unique_ptr<ModelRuntime>> Create(const model_store::ModelStore& store, Options options,
                                                              telemetry::Metrics* metrics);

  // All but Acquire and Preload only look things up: they unload nothing and read no file but for its size.
  absl::StatusOr<const config::v1::ModelEntry*> Entry(std::string_view name) const override;
  const config::v1::ModelEntry* DefaultFor(std::string_view task, std::string_view role) const override;
  absl::Status Installed(std::string_view name) const override;
  absl::StatusOr<PinnedModel> Acquire(std::string_view name, const CancelToken& cancel) override;
  std::string device() const override { return device_; }

  // Loads models before the first request needs them. The first error, naming the model.
  absl::Status Preload(const std::vector<std::string>& names);
  // See ModelCache.
  void Maintain() { cache_.Maintain(); }
  void EvictIdle() { cache_.EvictIdle(); }
  int64_t used_bytes() const { return cache_.used_bytes(); }
  int64_t budget_bytes() const { return cache_.budget_bytes(); }

 private:
  ModelRuntime(const model_store::ModelStore& store, const Options& options, std::unique_ptr<ModelLoader> loader,
               telemetry::Metrics* metrics);

  const model_store::ModelStore& store_;
  const std::string device_;
  const std::unique_ptr<ModelLoader> loader_;
  ModelCache cache_;
};

}  // namespace reelsight::inference
