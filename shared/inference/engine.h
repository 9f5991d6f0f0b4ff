// SPDX-License-Identifier: Apache-2.0
//
// What runs a model file. OpenVINO on the CPU, LibTorch on a GPU (and, by the same code, on the CPU). An engine holds
// the weights of one model on one device; it neither queues nor batches: see model_runtime.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/inference/tensor.h"

namespace reelsight::inference {

// Arithmetic of the inner loops. Inputs and outputs keep their types.
enum class Precision {
  kFloat32,
  // bfloat16 where the device has it in hardware, else float32.
  kBfloat16,
  // float16 on a GPU, else float32.
  kFloat16,
};

struct EngineOptions {
  Precision precision = Precision::kFloat32;
  // Runs that may go on at once, each on its caller's thread; at least 1. Raising it costs working memory for each.
  int max_concurrent_runs = 1;
  // Threads of one run. 1: the caller's own, which serves most frames a second; more serve a single frame sooner.
  int threads_per_run = 1;
  // Fixes side 0 of the inputs where the model leaves it open, which makes faster code; 0: leaves it open.
  int64_t batch = 0;
  // `cpu` or `cuda:N`.
  std::string device = "cpu";
  // Folder for compiled models, so that the next load is fast; empty: none.
  std::string compiled_cache_directory;
};

// Thread-safe: up to `max_concurrent_runs` calls of Run at once, further ones wait.
class Engine {
 public:
  virtual ~Engine() = default;

  // In the model's order. A side that may vary from run to run is -1; side 0 of all inputs is then the batch.
  virtual const std::vector<TensorSpec>& inputs() const = 0;
  virtual const std::vector<TensorSpec>& outputs() const = 0;

  // One run, on the caller's thread. One tensor for each input, in order. INVALID_ARGUMENT for a tensor that does not
  // fit; RESOURCE_EXHAUSTED if memory ran out (a smaller batch may do); INTERNAL for what the library refuses. The
  // engine stays usable after an error.
  virtual absl::StatusOr<std::vector<Tensor>> Run(std::span<const Tensor> inputs) = 0;

  // `openvino` or `libtorch`.
  virtual std::string_view name() const = 0;
  // What it really computes in.
  virtual Precision precision() const = 0;
  // Bytes of weights and working memory that it holds, as far as they can be told. At least the weights.
  virtual int64_t resident_bytes() const = 0;
};

}  // namespace reelsight::inference
