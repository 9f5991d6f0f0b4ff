// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/openvino_engine.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <filesystem>
#include <new>
#include <openvino/openvino.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"
#include "shared/inference/onnx_metadata.h"

namespace reelsight::inference {
namespace {

// Leaked on purpose: OpenVINO's threads and plug-ins must not be torn down while static destructors run.
ov::Core& Core() {
  static auto& core = *new ov::Core();
  return core;
}

absl::StatusOr<DType> FromOpenVino(const ov::element::Type& type) {
  if (type == ov::element::f32) return DType::kFloat32;
  if (type == ov::element::f16) return DType::kFloat16;
  if (type == ov::element::u8) return DType::kUint8;
  if (type == ov::element::i32) return DType::kInt32;
  if (type == ov::element::i64) return DType::kInt64;
  if (type == ov::element::boolean) return DType::kBool;
  return absl::UnimplementedError(absl::StrCat("elements of type ", type.get_type_name()));
}

ov::element::Type ToOpenVino(DType type) {
  switch (type) {
    case DType::kFloat32:
      return ov::element::f32;
    case DType::kFloat16:
      return ov::element::f16;
    case DType::kUint8:
      return ov::element::u8;
    case DType::kInt32:
      return ov::element::i32;
    case DType::kInt64:
      return ov::element::i64;
    case DType::kBool:
      return ov::element::boolean;
  }
  return ov::element::dynamic;
}

template <typename Port>
absl::StatusOr<TensorSpec> SpecOf(const Port& port, size_t index, const char* kind) {
  TensorSpec spec;
  const auto& names = port.get_names();
  // Names are a set; the first in order is the same at every load.
  spec.name = names.empty() ? absl::StrCat(kind, index) : *std::min_element(names.begin(), names.end());
  ASSIGN_OR_RETURN(spec.type, FromOpenVino(port.get_element_type()));
  const ov::PartialShape shape = port.get_partial_shape();
  if (shape.rank().is_dynamic()) return spec;
  for (const ov::Dimension& side : shape) spec.shape.push_back(side.is_static() ? side.get_length() : -1);
  return spec;
}

class OpenVinoEngine final : public Engine {
 public:
  OpenVinoEngine(ov::CompiledModel compiled, Precision precision, int64_t weights_bytes)
      : compiled_(std::move(compiled)), precision_(precision), weights_bytes_(weights_bytes) {}

  absl::Status Init(int max_concurrent_runs) {
    const auto& inputs = compiled_.inputs();
    const auto& outputs = compiled_.outputs();
    for (size_t i = 0; i < inputs.size(); ++i) {
      ASSIGN_OR_RETURN(TensorSpec spec, SpecOf(inputs[i], i, "input"));
      inputs_.push_back(std::move(spec));
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      ASSIGN_OR_RETURN(TensorSpec spec, SpecOf(outputs[i], i, "output"));
      outputs_.push_back(std::move(spec));
    }
    const MutexLock lock(mutex_);
    for (int i = 0; i < max_concurrent_runs; ++i) idle_.push_back(compiled_.create_infer_request());
    return absl::OkStatus();
  }

  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  std::string_view name() const override { return "openvino"; }
  Precision precision() const override { return precision_; }
  int64_t resident_bytes() const override { return weights_bytes_; }

  absl::StatusOr<std::vector<Tensor>> Run(std::span<const Tensor> inputs) override {
    if (inputs.size() != inputs_.size()) {
      return absl::InvalidArgumentError(absl::StrCat("the model has ", inputs_.size(), " inputs, not ", inputs.size()));
    }
    for (size_t i = 0; i < inputs.size(); ++i) RETURN_IF_ERROR(CheckFits(inputs_[i], inputs[i]));
    ov::InferRequest request = TakeRequest();
    absl::StatusOr<std::vector<Tensor>> outputs = absl::InternalError("not run");
    try {
      outputs = RunOn(request, inputs);
    } catch (const std::bad_alloc&) {
      outputs = absl::ResourceExhaustedError("out of memory while a model ran; use a smaller batch or more memory");
    } catch (const std::exception& error) {
      outputs = MakeError(absl::StatusCode::kInternal, Reason::kInternal, absl::StrCat("OpenVINO: ", error.what()));
    }
    GiveBack(std::move(request));
    return outputs;
  }

 private:
  absl::StatusOr<std::vector<Tensor>> RunOn(ov::InferRequest& request, std::span<const Tensor> inputs) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Shape& shape = inputs[i].shape();
      request.set_input_tensor(i, ov::Tensor(ToOpenVino(inputs[i].type()), ov::Shape(shape.begin(), shape.end()),
                                             const_cast<void*>(inputs[i].raw())));
    }
    request.infer();
    std::vector<Tensor> outputs;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const ov::Tensor out = request.get_output_tensor(i);
      const ov::Shape shape = out.get_shape();
      Tensor tensor(outputs_[i].type, Shape(shape.begin(), shape.end()));
      std::memcpy(tensor.mutable_raw(), out.data(), static_cast<size_t>(tensor.bytes()));
      outputs.push_back(std::move(tensor));
    }
    return outputs;
  }

  ov::InferRequest TakeRequest() {
    const MutexLock lock(mutex_);
    while (idle_.empty()) returned_.Wait(mutex_);
    ov::InferRequest request = std::move(idle_.back());
    idle_.pop_back();
    return request;
  }

  void GiveBack(ov::InferRequest request) {
    {
      const MutexLock lock(mutex_);
      idle_.push_back(std::move(request));
    }
    returned_.NotifyOne();
  }

  ov::CompiledModel compiled_;
  const Precision precision_;
  const int64_t weights_bytes_;
  std::vector<TensorSpec> inputs_;
  std::vector<TensorSpec> outputs_;

  Mutex mutex_;
  CondVar returned_;
  std::vector<ov::InferRequest> idle_ ABSL_GUARDED_BY(mutex_);
};

std::shared_ptr<ov::Model> ReadWithBatch(const std::string& path, int64_t batch) {
  std::shared_ptr<ov::Model> model = Core().read_model(path);
  std::map<size_t, ov::PartialShape> shapes;
  for (size_t i = 0; i < model->inputs().size(); ++i) {
    ov::PartialShape shape = model->input(i).get_partial_shape();
    if (shape.rank().is_dynamic() || shape.size() == 0 || shape[0].is_static()) return model;
    shape[0] = batch;
    shapes[i] = shape;
  }
  model->reshape(shapes);
  return model;
}

absl::StatusOr<std::unique_ptr<Engine>> Load(const std::string& path, const EngineOptions& options) {
  const bool bfloat16 = options.precision == Precision::kBfloat16 && CpuHasBfloat16();
  ov::AnyMap properties = {
      ov::num_streams(options.max_concurrent_runs),
      ov::inference_num_threads(options.max_concurrent_runs * options.threads_per_run),
      ov::hint::inference_precision(bfloat16 ? ov::element::bf16 : ov::element::f32),
      ov::hint::enable_cpu_pinning(false),
      ov::enable_mmap(true),
      // Kernels kept for shapes met before, of a model whose picture may have any. Its own default, 5000, is 700 MB of
      // a text detector after 200 videos of as many sizes; fewer cost no time on videos of one size each, nor on three
      // in turn.
      {"CPU_RUNTIME_CACHE_CAPACITY", 64},
  };
  if (!options.compiled_cache_directory.empty()) properties.insert(ov::cache_dir(options.compiled_cache_directory));
  ov::CompiledModel compiled = options.batch > 0
                                   ? Core().compile_model(ReadWithBatch(path, options.batch), "CPU", properties)
                                   : Core().compile_model(path, "CPU", properties);
  auto engine =
      std::make_unique<OpenVinoEngine>(std::move(compiled), bfloat16 ? Precision::kBfloat16 : Precision::kFloat32,
                                       static_cast<int64_t>(std::filesystem::file_size(path)));
  RETURN_IF_ERROR(engine->Init(options.max_concurrent_runs));
  return engine;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> LoadOpenVinoEngine(const std::string& model_path,
                                                           const EngineOptions& options) {
  if (std::error_code error; !std::filesystem::is_regular_file(model_path, error)) {
    return absl::NotFoundError(absl::StrCat("no model file ", model_path));
  }
  // What is no ONNX file would be offered to all other readers that OpenVINO has, and each prints errors of its own.
  RETURN_IF_ERROR(ReadOnnxMetadata(model_path).status());
  try {
    return Load(model_path, options);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("out of memory while loading ", model_path));
  } catch (const std::exception& error) {
    return MakeError(absl::StatusCode::kDataLoss, Reason::kModelCorrupt,
                     absl::StrCat("OpenVINO cannot load ", model_path, ": ", error.what()));
  }
}

std::string OpenVinoVersion() { return ov::get_openvino_version().buildNumber; }

bool CpuHasBfloat16() {
  static const bool has = [] {
    const auto capabilities = Core().get_property("CPU", ov::device::capabilities);
    return std::find(capabilities.begin(), capabilities.end(), ov::device::capability::BF16) != capabilities.end();
  }();
  return has;
}

}  // namespace reelsight::inference
