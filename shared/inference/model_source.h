// SPDX-License-Identifier: Apache-2.0
//
// Models as analyzers see them: by name, loaded when needed, batched with those of other videos. model_runtime.h
// implements it; tests may give a fake. It knows no message of analyzers: see service/model_description.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "reelsight/config/v1/model_catalog.pb.h"
#include "shared/base/cancel_token.h"
#include "shared/inference/image_tensor.h"
#include "shared/inference/onnx_metadata.h"
#include "shared/inference/tensor.h"

namespace reelsight::inference {

// One sample for a model: a tensor for each input, in order, with side 0 (the batch) = 1.
using Sample = std::vector<Tensor>;

// A loaded model. Thread-safe.
class Model {
 public:
  virtual ~Model() = default;

  virtual const config::v1::ModelEntry& entry() const = 0;
  virtual const std::vector<TensorSpec>& inputs() const = 0;
  virtual const std::vector<TensorSpec>& outputs() const = 0;
  // What the model file says of itself, if its format carries it (ONNX).
  virtual const ModelMetadata& metadata() const;

  // Outputs of each sample, in order, side 0 = 1 where the model has a batch. Blocks; may run samples of other callers
  // together with these, and these on other callers' threads. `client` names the run (request id), for fairness.
  // RESOURCE_EXHAUSTED, QUEUE_FULL if too much waits. INTERNAL, INVALID_MODEL_OUTPUT if an output holds a NaN or an
  // infinity: nothing made of it may be served.
  virtual absl::StatusOr<std::vector<Sample>> Run(const std::string& client, std::vector<Sample> samples,
                                                  const CancelToken& cancel) const = 0;
  // Calls of Run that get on at once, at least 1: the processors of a CPU, 1 of a GPU. A caller that has nobody beside
  // it wins by as many threads.
  virtual int concurrency() const { return 1; }
};

// A model that stays loaded while this lives.
struct PinnedModel {
  std::shared_ptr<const Model> model;
  // False if this call had to load it.
  bool cache_hit = false;

  const Model& operator*() const { return *model; }
  const Model* operator->() const { return model.get(); }
};

// Thread-safe.
class ModelSource {
 public:
  virtual ~ModelSource() = default;

  // The model's entry in the catalogue. INVALID_ARGUMENT, INVALID_FIELD with the names of the task's models, if there
  // is none.
  virtual absl::StatusOr<const config::v1::ModelEntry*> Entry(std::string_view name) const = 0;
  // The model that an analyzer uses for a part of its task unless it is told otherwise; nullptr if the catalogue names
  // none. `role` is empty where one model does all of the task.
  virtual const config::v1::ModelEntry* DefaultFor(std::string_view task, std::string_view role) const = 0;
  // OK if the weights are installed; else FAILED_PRECONDITION, WEIGHTS_MISSING with the command that gets them.
  virtual absl::Status Installed(std::string_view name) const = 0;
  // Loads the model unless it is loaded. Blocks. RESOURCE_EXHAUSTED if it does not fit into the memory budget;
  // FAILED_PRECONDITION as Installed; DATA_LOSS if the file is corrupt.
  virtual absl::StatusOr<PinnedModel> Acquire(std::string_view name, const CancelToken& cancel) = 0;
  // Where models run that can: `cpu` or `cuda:N`.
  virtual std::string device() const { return "cpu"; }
  // Where this one runs: beside a GPU still on the CPU if its entry says so.
  std::string DeviceOf(const config::v1::ModelEntry& entry) const { return entry.cpu_only() ? "cpu" : device(); }
};

// `options` with the mean, scale and order of channels that the catalogue states for a model, where it does.
ImageTensorOptions WithCatalogInput(ImageTensorOptions options, const config::v1::ModelInput& input);

// The default for a part of a task, whose family the analyzer knows. FAILED_PRECONDITION, WEIGHTS_MISSING, if the
// catalogue names none, or one of another family.
absl::StatusOr<const config::v1::ModelEntry*> DefaultOfFamily(const ModelSource& models, std::string_view task,
                                                              std::string_view role, std::string_view family);

}  // namespace reelsight::inference
