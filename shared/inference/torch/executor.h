// SPDX-License-Identifier: Apache-2.0
//
// Runs a graph node by node on one device.
//
// Note [Shapes are known]: what follows from constants and from the shapes of the inputs alone (sizes to reshape to,
// anchors, position embeddings) is computed on the host in float32 at the first run with these shapes, and kept for the
// next ones, for the last few sets of shapes. So a run with known shapes reads nothing back from the device.
//
// A value is let go of after its last reader, and a kernel may overwrite one that it is the last to read.
//
// On a GPU a run with known shapes could be captured as a CUDA graph for each batch size: Execute with a plan is the
// place, since all it does then is launch kernels. It is not done: there was no GPU to try it on.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/base/mutex.h"
#include "shared/inference/torch/graph.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {

// Thread-safe.
class Executor {
 public:
  // Takes a rewritten graph. `compute_type` as in Note [Mixed precision]. UNIMPLEMENTED, naming the node, for what an
  // operator cannot serve. Throws what ATen throws for weights that do not fit or no memory.
  static absl::StatusOr<std::unique_ptr<Executor>> Create(Graph graph, at::Device device, at::ScalarType compute_type);

  // `inputs` are on the device, outputs are wherever they were made. Throws what ATen throws; `node`, which outlives
  // the call with the executor, then says where.
  std::vector<at::Tensor> Run(std::vector<at::Tensor> inputs, const std::string** node) const;

  // Constants, and the values of Note [Shapes are known].
  int64_t resident_bytes() const;

 private:
  // By position in lists of all values; -1 for an input that is left out.
  using Slot = int;
  enum class Kind { kConstant, kKnown, kComputed };

  struct Step {
    Kernel kernel;
    std::string text;
    std::vector<Slot> inputs;
    std::vector<Slot> outputs;
    // Its outputs follow from constants and shapes.
    bool known = false;
    uint32_t host_inputs = 0;
    // Whether it is the last to read each input: of all steps, and of those whose outputs are not known.
    std::vector<bool> last_of_all;
    std::vector<bool> last_of_computed;
  };
  // Known values on the host, and those that kernels read on the device.
  struct Plan {
    std::vector<std::vector<int64_t>> shapes;
    std::vector<at::Tensor> host;
    std::vector<at::Tensor> device;
    int64_t bytes = 0;
  };

  Executor(at::Device device, size_t slots);
  static bool ReadOnHost(const Step& step, size_t input);
  void FindLastReaders();
  std::shared_ptr<const Plan> FindPlan(const std::vector<std::vector<int64_t>>& shapes) const;
  void KeepPlan(std::shared_ptr<const Plan> plan) const;
  std::vector<at::Tensor> Execute(const std::vector<at::Tensor>& inputs, const Plan* plan, Plan* made,
                                  const std::string** node) const;

  // Constant after Create.
  const at::Device device_;
  std::vector<Kind> kinds_;
  std::vector<bool> read_on_device_;
  std::vector<at::Tensor> host_constants_;
  std::vector<at::Tensor> device_constants_;
  std::vector<Step> steps_;
  std::vector<Slot> inputs_;
  std::vector<Slot> outputs_;
  int64_t constant_bytes_ = 0;

  mutable Mutex mutex_;
  // The last used first.
  mutable std::list<std::shared_ptr<const Plan>> plans_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace reelsight::inference
