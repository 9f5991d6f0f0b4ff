// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/batched_model.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::inference {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// True if all values are finite. Sums instead of branches, so that it runs at memory speed.
bool AllFinite(const Tensor& tensor) {
  if (tensor.type() != DType::kFloat32) return true;
  float zero = 0;
  for (const float value : tensor.values<float>()) zero += value * 0.0F;
  return zero == 0.0F;
}

std::string ShapesOf(const Sample& sample) {
  std::string key;
  for (const Tensor& tensor : sample) absl::StrAppend(&key, ShapeText(tensor.shape()));
  return key;
}

bool IsInvalidOutput(const absl::Status& status) {
  return GetReason(status) == ReasonName(Reason::kInvalidModelOutput);
}

// `options` with an observer that counts what the batcher of model `name` does.
batching::BatcherOptions Observed(batching::BatcherOptions options, const std::string& name,
                                  telemetry::Metrics* metrics) {
  if (metrics == nullptr) return options;
  telemetry::ModelMetrics* const models = &metrics->models();
  options.observer.on_batch = [models, name](int size, Clock::duration run) {
    models->batch_size.Observe({name}, size);
    models->run_duration_seconds.Observe({name}, Seconds(run));
  };
  options.observer.on_start = [models, name](Clock::duration waited) {
    models->sample_wait_seconds.Observe({name}, Seconds(waited));
  };
  options.observer.on_limit = [models, name](int limit, bool out_of_memory) {
    models->batch_limit.Set({name}, limit);
    if (out_of_memory) models->out_of_memory_total.Add({name});
  };
  options.observer.on_queue = [models, name](int64_t queued) {
    models->queue_length.Set({name}, static_cast<double>(queued));
  };
  return options;
}

}  // namespace

bool HasOpenBatch(const Engine& engine) {
  return std::all_of(engine.inputs().begin(), engine.inputs().end(),
                     [](const TensorSpec& spec) { return !spec.shape.empty() && spec.shape[0] < 0; });
}

BatchedModel::BatchedModel(config::v1::ModelEntry entry, ModelMetadata metadata, std::unique_ptr<Engine> engine,
                           batching::BatcherOptions options, std::shared_ptr<RunSlots> slots,
                           telemetry::Metrics* metrics)
    : entry_(std::move(entry)),
      metadata_(std::move(metadata)),
      engine_(std::move(engine)),
      open_batch_(HasOpenBatch(*engine_)),
      slots_(std::move(slots)),
      metrics_(metrics),
      concurrency_(options.max_concurrent_batches),
      batcher_(Observed(std::move(options), entry_.name(), metrics), ShapesOf,
               [this](std::span<Sample* const> batch) { return RunBatch(batch); }) {}

absl::StatusOr<std::vector<Sample>> BatchedModel::Run(const std::string& client, std::vector<Sample> samples,
                                                      const CancelToken& cancel) const {
  ASSIGN_OR_RETURN(auto results, batcher_.Run(client, std::move(samples), cancel));
  std::vector<Sample> outputs;
  for (absl::StatusOr<Sample>& result : results) {
    if (!result.ok()) return result.status();
    outputs.push_back(*std::move(result));
  }
  return outputs;
}

absl::StatusOr<BatchedModel::Results> BatchedModel::RunBatch(std::span<Sample* const> batch) const {
  if (batch.size() > 1 && open_batch_) {
    absl::StatusOr<Results> results = RunTogether(batch);
    // One video's bad sample must not fail the others': each alone shows which it is.
    if (!IsInvalidOutput(results.status())) return results;
  }
  Results results;
  for (const Sample* sample : batch) {
    absl::StatusOr<Sample> outputs = RunEngine(*sample);
    if (!outputs.ok()) {
      if (!IsInvalidOutput(outputs.status())) return outputs.status();
      if (metrics_ != nullptr) metrics_->models().invalid_outputs_total.Add({entry_.name()});
    }
    results.push_back(std::move(outputs));
  }
  return results;
}

absl::StatusOr<BatchedModel::Results> BatchedModel::RunTogether(std::span<Sample* const> batch) const {
  Sample inputs;
  for (size_t i = 0; i < batch[0]->size(); ++i) {
    std::vector<Tensor> parts;
    for (const Sample* sample : batch) parts.push_back((*sample)[i]);
    inputs.push_back(Concatenate(parts));
  }
  ASSIGN_OR_RETURN(const Sample outputs, RunEngine(inputs));
  const auto count = static_cast<int64_t>(batch.size());
  Results results(batch.size());
  for (absl::StatusOr<Sample>& result : results) result.emplace();
  for (const Tensor& output : outputs) {
    if (output.shape().empty() || output.shape()[0] != count) {
      return MakeError(absl::StatusCode::kInternal, Reason::kInvalidModelOutput,
                       absl::StrCat("model ", entry_.name(), ": a batch of ", count, " gave an output of shape ",
                                    ShapeText(output.shape())));
    }
    for (int64_t i = 0; i < count; ++i) results[static_cast<size_t>(i)]->push_back(Rows(output, i, i + 1));
  }
  return results;
}

absl::StatusOr<Sample> BatchedModel::RunEngine(const Sample& inputs) const {
  absl::StatusOr<Sample> outputs = [&] {
    const RunSlots::Taken slot(slots_.get());
    return engine_->Run(inputs);
  }();
  if (!outputs.ok()) return Annotate(outputs.status(), absl::StrCat("model ", entry_.name()));
  for (size_t i = 0; i < outputs->size(); ++i) {
    if (AllFinite((*outputs)[i])) continue;
    return MakeError(absl::StatusCode::kInternal, Reason::kInvalidModelOutput,
                     absl::StrCat("model ", entry_.name(), ": output ", engine_->outputs()[i].name,
                                  " holds a NaN or an infinity; nothing of it is served"));
  }
  return outputs;
}

}  // namespace reelsight::inference
