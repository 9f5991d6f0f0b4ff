// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/torch/torch_engine.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"
#include "shared/inference/torch/executor.h"
#include "shared/inference/torch/graph_rewriter.h"
#include "shared/inference/torch/onnx_reader.h"
#include "shared/inference/torch/run_torch.h"

namespace reelsight::inference {
namespace {

at::ScalarType ToTorch(DType type) {
  switch (type) {
    case DType::kFloat32:
      return at::kFloat;
    case DType::kFloat16:
      return at::kHalf;
    case DType::kUint8:
      return at::kByte;
    case DType::kInt32:
      return at::kInt;
    case DType::kInt64:
      return at::kLong;
    case DType::kBool:
      return at::kBool;
  }
  return at::kFloat;
}

absl::StatusOr<at::Device> FindDevice(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  absl::string_view number = name;
  int index = 0;
  if (!absl::ConsumePrefix(&number, "cuda:") || !absl::SimpleAtoi(number, &index) || index < 0) {
    return absl::InvalidArgumentError(absl::StrCat("device ", name, " is neither cpu nor cuda:N"));
  }
  // LibTorch's CUDA part announces itself when it is loaded; nothing links it, so that machines without it do.
  static void* const cuda_part = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_LOCAL);
  if (cuda_part == nullptr || !at::hasCUDA()) {
    return absl::FailedPreconditionError(
        absl::StrCat("device ", name, ": LibTorch's CUDA part cannot be used here (",
                     cuda_part == nullptr ? "no libtorch_cuda.so" : "no driver or no GPU",
                     "); install the GPU build of LibTorch and NVIDIA's driver, or use device cpu"));
  }
  const auto* const cuda = c10::impl::getDeviceGuardImpl(at::kCUDA);
  if (index >= cuda->deviceCount()) {
    return absl::FailedPreconditionError(
        absl::StrCat("device ", name, ": there are ", static_cast<int>(cuda->deviceCount()), " GPUs, counted from 0"));
  }
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

Precision ResolvePrecision(Precision wanted, const at::Device& device) {
  if (device.is_cuda()) return wanted;
  if (wanted == Precision::kBfloat16 && __builtin_cpu_supports("avx512bf16") != 0) return wanted;
  return Precision::kFloat32;
}

at::ScalarType ComputeType(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return at::kFloat;
    case Precision::kBfloat16:
      return at::kBFloat16;
    case Precision::kFloat16:
      return at::kHalf;
  }
  return at::kFloat;
}

class TorchEngine final : public Engine {
 public:
  TorchEngine(std::unique_ptr<Executor> executor, std::string path, std::vector<TensorSpec> inputs,
              std::vector<TensorSpec> outputs, at::Device device, Precision precision, const EngineOptions& options)
      : executor_(std::move(executor)),
        path_(std::move(path)),
        inputs_(std::move(inputs)),
        outputs_(std::move(outputs)),
        device_(device),
        precision_(precision),
        threads_per_run_(std::max(1, options.threads_per_run)),
        free_runs_(std::max(1, options.max_concurrent_runs)) {}

  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  std::string_view name() const override { return "libtorch"; }
  Precision precision() const override { return precision_; }
  int64_t resident_bytes() const override { return executor_->resident_bytes(); }

  absl::StatusOr<std::vector<Tensor>> Run(std::span<const Tensor> inputs) override {
    if (inputs.size() != inputs_.size()) {
      return absl::InvalidArgumentError(absl::StrCat("the model has ", inputs_.size(), " inputs, not ", inputs.size()));
    }
    for (size_t i = 0; i < inputs.size(); ++i) RETURN_IF_ERROR(CheckFits(inputs_[i], inputs[i]));
    BeginRun();
    std::vector<Tensor> outputs;
    const std::string* node = nullptr;
    const absl::Status status = RunTorch([&] { return RunOn(inputs, outputs, &node); });
    EndRun();
    if (status.ok()) return outputs;
    return node == nullptr ? status : Annotate(status, absl::StrCat("node ", *node, " of ", path_));
  }

 private:
  absl::Status RunOn(std::span<const Tensor> inputs, std::vector<Tensor>& outputs, const std::string** node) const {
    const c10::InferenceMode no_gradients;
    const c10::OptionalDeviceGuard guard(device_);
    // A thread of its own setting: the number that OpenMP's next region on this thread takes.
    if (at::get_num_threads() != threads_per_run_) at::set_num_threads(threads_per_run_);
    // Held until the end, so that no kernel takes the caller's elements for its own.
    std::vector<at::Tensor> borrowed;
    std::vector<at::Tensor> on_device;
    for (const Tensor& input : inputs) {
      borrowed.push_back(
          at::from_blob(const_cast<void*>(input.raw()), input.shape(), at::TensorOptions(ToTorch(input.type()))));
      at::Tensor moved = borrowed.back().to(device_);
      on_device.push_back(moved.scalar_type() == at::kHalf ? moved.to(at::kFloat) : moved);
    }
    const std::vector<at::Tensor> results = executor_->Run(std::move(on_device), node);
    *node = nullptr;
    for (size_t i = 0; i < results.size(); ++i) {
      const at::Tensor host = results[i].to(at::kCPU, ToTorch(outputs_[i].type)).contiguous();
      Tensor output(outputs_[i].type, host.sizes().vec());
      std::memcpy(output.mutable_raw(), host.const_data_ptr(), static_cast<size_t>(output.bytes()));
      outputs.push_back(std::move(output));
    }
    return absl::OkStatus();
  }

  void BeginRun() {
    const MutexLock lock(mutex_);
    while (free_runs_ == 0) ended_.Wait(mutex_);
    --free_runs_;
  }
  void EndRun() {
    {
      const MutexLock lock(mutex_);
      ++free_runs_;
    }
    ended_.NotifyOne();
  }

  const std::unique_ptr<Executor> executor_;
  const std::string path_;
  const std::vector<TensorSpec> inputs_;
  const std::vector<TensorSpec> outputs_;
  const at::Device device_;
  const Precision precision_;
  const int threads_per_run_;

  Mutex mutex_;
  CondVar ended_;
  int free_runs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::Status CheckTorchDevice(const std::string& device) {
  return RunTorch([&] { return FindDevice(device).status(); });
}

absl::StatusOr<std::unique_ptr<Engine>> LoadTorchEngine(const std::string& path, const EngineOptions& options) {
  std::unique_ptr<Engine> engine;
  absl::Status status = RunTorch([&]() -> absl::Status {
    const c10::InferenceMode no_gradients;
    ASSIGN_OR_RETURN(const at::Device device, FindDevice(options.device));
    const c10::OptionalDeviceGuard guard(device);
    ASSIGN_OR_RETURN(Graph graph, ReadOnnx(path));
    RETURN_IF_ERROR(RewriteGraph(graph));
    std::vector<TensorSpec> inputs = graph.inputs;
    std::vector<TensorSpec> outputs = graph.outputs;
    if (options.batch > 0) {
      const bool open = std::all_of(inputs.begin(), inputs.end(),
                                    [](const TensorSpec& input) { return !input.shape.empty() && input.shape[0] < 0; });
      for (TensorSpec& input : inputs) {
        if (open) input.shape[0] = options.batch;
      }
    }
    const Precision precision = ResolvePrecision(options.precision, device);
    ASSIGN_OR_RETURN(std::unique_ptr<Executor> executor,
                     Executor::Create(std::move(graph), device, ComputeType(precision)));
    engine = std::make_unique<TorchEngine>(std::move(executor), path, std::move(inputs), std::move(outputs), device,
                                           precision, options);
    return absl::OkStatus();
  });
  if (status.ok()) return engine;
  // What ATen refuses at load is wrong in the file.
  if (status.code() == absl::StatusCode::kInternal) {
    return MakeError(absl::StatusCode::kDataLoss, Reason::kModelCorrupt,
                     absl::StrCat("cannot load ", path, ": ", absl::string_view(status.message())));
  }
  if (status.code() == absl::StatusCode::kResourceExhausted) return Annotate(status, absl::StrCat("loading ", path));
  return status;
}

}  // namespace reelsight::inference
