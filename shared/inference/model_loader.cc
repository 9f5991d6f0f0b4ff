// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/model_loader.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/batching/start_batch.h"
#include "shared/inference/batched_model.h"
#include "shared/inference/engine_factory.h"
#include "shared/inference/onnx_metadata.h"
#include "shared/inference/openvino_engine.h"
#include "shared/telemetry/log.h"
#include "shared/telemetry/resident_memory.h"

namespace reelsight::inference {
namespace {

// Samples of the first batches of models whose entry states none.
constexpr int kGeneralStartBatch = 8;

bool IsGpu(const std::string& device) { return device != "cpu"; }

// Why a model was not loaded, with its name and, of a corrupt one, what helps.
absl::Status Explain(const absl::Status& status, const std::string& name) {
  if (!absl::IsDataLoss(status)) return Annotate(status, absl::StrCat("model ", name));
  return MakeError(status.code(), Reason::kModelCorrupt,
                   absl::StrCat("model ", name, " is corrupt; get it anew by: reelsight models pull ", name,
                                " --force (", std::string(status.message()), ")"));
}

}  // namespace

int64_t BytesAt(const std::string& path) {
  std::error_code error;
  if (const auto size = std::filesystem::file_size(path, error); !error) return static_cast<int64_t>(size);
  int64_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(path, error)) {
    std::error_code ignored;
    const auto size = file.file_size(ignored);
    if (!ignored) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

absl::StatusOr<std::unique_ptr<ModelLoader>> ModelLoader::Create(ModelOptions options, std::string compiled_directory,
                                                                 telemetry::Metrics* metrics) {
  if (options.threads < 1) return InvalidField("threads", "must be at least 1");
  if (options.max_batch < 1) return InvalidField("max_batch", "must be at least 1");
  if (!options.cpu_engine) options.cpu_engine = LoadOpenVinoEngine;
  if (IsGpu(options.device) && !options.gpu_engine) {
    if (const absl::Status status = EngineAvailable(EngineKind::kLibTorch, options.device); !status.ok()) {
      return Annotate(status, absl::StrCat("there is no engine for device ", options.device));
    }
    options.gpu_engine = [](const std::string& path, const EngineOptions& engine_options) {
      return LoadEngine(EngineKind::kLibTorch, path, engine_options);
    };
  }
  return std::unique_ptr<ModelLoader>(new ModelLoader(std::move(options), std::move(compiled_directory), metrics));
}

ModelLoader::ModelLoader(ModelOptions options, std::string compiled_directory, telemetry::Metrics* metrics)
    : options_(std::move(options)),
      compiled_directory_(std::move(compiled_directory)),
      metrics_(metrics),
      cpu_slots_(std::make_shared<RunSlots>(options_.threads)) {}

absl::StatusOr<ModelLoader::Loaded> ModelLoader::Load(const config::v1::ModelEntry& entry, const std::string& path,
                                                      const std::string& device, int64_t cached_bytes) {
  const MutexLock lock(mutex_);
  const bool on_gpu = IsGpu(device);
  TellOfDevice(entry, device);
  const int64_t before = telemetry::ResidentBytes();
  absl::StatusOr<std::unique_ptr<Engine>> loaded =
      (on_gpu ? options_.gpu_engine : options_.cpu_engine)(path, EngineOptionsFor(entry, device));
  if (!loaded.ok()) return Explain(loaded.status(), entry.name());
  std::unique_ptr<Engine> engine = *std::move(loaded);
  const int64_t bytes = std::max(engine->resident_bytes(), on_gpu ? 0 : telemetry::ResidentBytes() - before);
  // The engine has judged the file; what cannot be read here is not there.
  ModelMetadata metadata = ReadOnnxMetadata(path).value_or(ModelMetadata());
  batching::BatcherOptions batcher = BatcherOptionsFor(entry, *engine, on_gpu, cached_bytes);
  telemetry::Log(telemetry::LogLevel::kDebug, "", "model loaded",
                 {{"model", entry.name()}, {"file", path}, {"engine", engine->name()}, {"bytes", bytes}});
  return Loaded{std::make_shared<BatchedModel>(entry, std::move(metadata), std::move(engine), std::move(batcher),
                                               on_gpu ? nullptr : cpu_slots_, metrics_),
                bytes};
}

void ModelLoader::TellOfDevice(const config::v1::ModelEntry& entry, const std::string& device) const {
  if (device != options_.device) {
    telemetry::Log(telemetry::LogLevel::kWarn, "", "a model runs on the CPU: it has no form that the GPU engine takes",
                   {{"model", entry.name()}, {"device", options_.device}});
  }
  if (metrics_ != nullptr) {
    metrics_->models().on_cpu_beside_gpu.Set({entry.name()}, device == options_.device ? 0 : 1);
  }
}

std::string ModelLoader::WritableCompiledDirectory() {
  std::error_code error;
  std::filesystem::create_directories(compiled_directory_, error);
  if (!error && access(compiled_directory_.c_str(), R_OK | W_OK | X_OK) == 0) return compiled_directory_;
  if (!std::exchange(told_uncached_, true)) {
    telemetry::Log(
        telemetry::LogLevel::kInfo, "",
        "compiled models are not kept, so that each start compiles them anew: their folder cannot be written",
        {{"folder", compiled_directory_}});
  }
  return "";
}

EngineOptions ModelLoader::EngineOptionsFor(const config::v1::ModelEntry& entry, const std::string& device) {
  const bool on_gpu = IsGpu(device);
  EngineOptions options;
  options.device = device;
  options.max_concurrent_runs = on_gpu ? 1 : options_.threads;
  options.batch = on_gpu ? 0 : 1;
  options.compiled_cache_directory = on_gpu ? "" : WritableCompiledDirectory();
  if (options_.half_precision && entry.allow_half_precision()) {
    options.precision = on_gpu ? Precision::kFloat16 : Precision::kBfloat16;
  }
  return options;
}

batching::BatcherOptions ModelLoader::BatcherOptionsFor(const config::v1::ModelEntry& entry, const Engine& engine,
                                                        bool on_gpu, int64_t cached_bytes) const {
  batching::BatcherOptions options;
  options.max_concurrent_batches = on_gpu ? 1 : options_.threads;
  options.max_batch = on_gpu && HasOpenBatch(engine) ? options_.max_batch : 1;
  options.target_batch_duration = {};
  options.hold_time = {};
  if (!on_gpu) return options;
  options.target_batch_duration = options_.target_batch_duration;
  options.hold_time = options_.hold_time;
  if (options_.device_memory_bytes > 0) {
    options.start_batch = batching::StartBatch(entry.start_batch() > 0 ? entry.start_batch() : kGeneralStartBatch,
                                               options_.device_memory_bytes - cached_bytes);
  }
  return options;
}

}  // namespace reelsight::inference
