// SPDX-License-Identifier: Apache-2.0
//
// From an entry of the catalogue and its files to a model that runs: on which device, by which engine, in which
// precision, how its batches start, and how much memory it takes. It keeps none: see model_cache.h.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "shared/base/mutex.h"
#include "shared/batching/dynamic_batcher.h"
#include "shared/inference/engine.h"
#include "shared/inference/model_options.h"
#include "shared/inference/model_source.h"
#include "shared/inference/run_slots.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::inference {

// Bytes of a model's file, or of all files of its folder; 0 of what is not there.
int64_t BytesAt(const std::string& path);

// Thread-safe. Loaded models may outlive it, but not the metrics.
class ModelLoader {
 public:
  struct Loaded {
    std::shared_ptr<const Model> model;
    // What it took, as far as it can be told; at least the weights.
    int64_t bytes = 0;
  };

  // `compiled_directory`: for compiled models, so that the next load is fast; where it cannot be written, models are
  // compiled at each load. `metrics` must outlive it; may be
  // nullptr. INVALID_ARGUMENT if an option is out of range; FAILED_PRECONDITION if there is no engine for the device.
  static absl::StatusOr<std::unique_ptr<ModelLoader>> Create(ModelOptions options, std::string compiled_directory,
                                                             telemetry::Metrics* metrics);

  // Loads what lies at `path`, on the caller's thread, one model at a time, so that the memory it takes can be
  // measured. `device`: where it is to run. `cached_bytes`: what models already take of the device's memory. The
  // engine's error, naming the model; of a corrupt one DATA_LOSS, MODEL_CORRUPT, with what helps.
  absl::StatusOr<Loaded> Load(const config::v1::ModelEntry& entry, const std::string& path, const std::string& device,
                              int64_t cached_bytes);

 private:
  ModelLoader(ModelOptions options, std::string compiled_directory, telemetry::Metrics* metrics);
  // Warns of a model that runs elsewhere than the others, and counts it.
  void TellOfDevice(const config::v1::ModelEntry& entry, const std::string& device) const;
  EngineOptions EngineOptionsFor(const config::v1::ModelEntry& entry, const std::string& device)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Empty where it cannot be written: a store may be read-only.
  std::string WritableCompiledDirectory() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  batching::BatcherOptions BatcherOptionsFor(const config::v1::ModelEntry& entry, const Engine& engine, bool on_gpu,
                                             int64_t cached_bytes) const;

  const ModelOptions options_;
  const std::string compiled_directory_;
  telemetry::Metrics* const metrics_;
  // Shared with the models on the CPU, which may outlive this.
  const std::shared_ptr<RunSlots> cpu_slots_;

  // Held while a model is loaded. No model is destroyed under it.
  Mutex mutex_;
  bool told_uncached_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace reelsight::inference
