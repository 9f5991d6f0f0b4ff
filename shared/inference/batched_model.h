// SPDX-License-Identifier: Apache-2.0
//
// A loaded model whose samples, of whatever video, run together where its engine takes batches. It does not load, and
// knows nothing of the cache that it lies in.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "shared/batching/dynamic_batcher.h"
#include "shared/inference/engine.h"
#include "shared/inference/model_source.h"
#include "shared/inference/run_slots.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::inference {

// True if side 0 of all inputs may be any number.
bool HasOpenBatch(const Engine& engine);

// Thread-safe. Holds its engine; outputs that are not finite are an error and leave it usable.
class BatchedModel final : public Model {
 public:
  // `slots`: shared with the other models on the CPU; nullptr: none needed. `metrics` must outlive it; may be nullptr.
  // The observer of `options` is replaced where there are metrics.
  BatchedModel(config::v1::ModelEntry entry, ModelMetadata metadata, std::unique_ptr<Engine> engine,
               batching::BatcherOptions options, std::shared_ptr<RunSlots> slots, telemetry::Metrics* metrics);

  const config::v1::ModelEntry& entry() const override { return entry_; }
  const std::vector<TensorSpec>& inputs() const override { return engine_->inputs(); }
  const std::vector<TensorSpec>& outputs() const override { return engine_->outputs(); }
  const ModelMetadata& metadata() const override { return metadata_; }
  absl::StatusOr<std::vector<Sample>> Run(const std::string& client, std::vector<Sample> samples,
                                          const CancelToken& cancel) const override;
  int concurrency() const override { return concurrency_; }

 private:
  // A sample of its own, or what is wrong with it alone.
  using Results = std::vector<absl::StatusOr<Sample>>;

  absl::StatusOr<Results> RunBatch(std::span<Sample* const> batch) const;
  absl::StatusOr<Results> RunTogether(std::span<Sample* const> batch) const;
  absl::StatusOr<Sample> RunEngine(const Sample& inputs) const;

  const config::v1::ModelEntry entry_;
  const ModelMetadata metadata_;
  const std::unique_ptr<Engine> engine_;
  const bool open_batch_;
  const std::shared_ptr<RunSlots> slots_;
  telemetry::Metrics* const metrics_;
  const int concurrency_;
  mutable batching::DynamicBatcher<Sample, absl::StatusOr<Sample>> batcher_;
};

}  // namespace reelsight::inference
