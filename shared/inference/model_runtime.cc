// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/model_runtime.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/batching/dynamic_batcher.h"
#include "shared/batching/start_batch.h"
#include "shared/inference/engine_factory.h"
#include "shared/inference/openvino_engine.h"
#include "shared/process/memory.h"
#include "shared/telemetry/log.h"

namespace reelsight::inference {
namespace {

using Clock = std::chrono::steady_clock;

// Of models whose entry states none.
constexpr int kGeneralStartBatch = 8;

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// Resident memory of this process.
int64_t ResidentBytes() {
  int64_t total_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  return resident_pages * sysconf(_SC_PAGESIZE);
}

// Of a file, or of all files in a folder; 0 of what is not there.
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

// Why a model was not loaded, with its name and, of a corrupt one, what helps.
absl::Status Explain(const absl::Status& status, const std::string& name) {
  if (!absl::IsDataLoss(status)) return Annotate(status, absl::StrCat("model ", name));
  return MakeError(status.code(), Reason::kModelCorrupt,
                   absl::StrCat("model ", name, " is corrupt; get it anew by: reelsight models pull ", name,
                                " --force (", std::string(status.message()), ")"));
}

bool HasOpenBatch(const Engine& engine) {
  return std::all_of(engine.inputs().begin(), engine.inputs().end(),
                     [](const TensorSpec& spec) { return !spec.shape.empty() && spec.shape[0] < 0; });
}

bool IsInvalidOutput(const absl::Status& status) {
  return GetReason(status) == ReasonName(Reason::kInvalidModelOutput);
}

}  // namespace

// Lets so many models run at once, whoever asks: analyzers that run several samples side by side share the processors
// with the workers beside them.
class ModelRuntime::RunSlots {
 public:
  explicit RunSlots(int count) : free_(count) {}

  void Take() {
    const MutexLock lock(mutex_);
    while (free_ == 0) freed_.Wait(mutex_);
    --free_;
  }
  void Return() {
    {
      const MutexLock lock(mutex_);
      ++free_;
    }
    freed_.NotifyOne();
  }

 private:
  Mutex mutex_;
  CondVar freed_;
  int free_ ABSL_GUARDED_BY(mutex_);
};

class ModelRuntime::LoadedModel final : public Model {
 public:
  LoadedModel(config::v1::ModelEntry entry, ModelMetadata metadata, std::unique_ptr<Engine> engine,
              batching::BatcherOptions options, std::shared_ptr<RunSlots> slots, telemetry::Metrics* metrics)
      : entry_(std::move(entry)),
        metadata_(std::move(metadata)),
        engine_(std::move(engine)),
        open_batch_(HasOpenBatch(*engine_)),
        slots_(std::move(slots)),
        metrics_(metrics),
        concurrency_(options.max_concurrent_batches),
        batcher_(std::move(options), ShapesOf, [this](std::span<Sample* const> batch) { return RunBatch(batch); }) {}

  const config::v1::ModelEntry& entry() const override { return entry_; }
  const std::vector<TensorSpec>& inputs() const override { return engine_->inputs(); }
  const std::vector<TensorSpec>& outputs() const override { return engine_->outputs(); }
  const ModelMetadata& metadata() const override { return metadata_; }

  absl::StatusOr<std::vector<Sample>> Run(const std::string& client, std::vector<Sample> samples,
                                          const CancelToken& cancel) const override {
    ASSIGN_OR_RETURN(auto results, batcher_.Run(client, std::move(samples), cancel));
    std::vector<Sample> outputs;
    for (absl::StatusOr<Sample>& result : results) {
      if (!result.ok()) return result.status();
      outputs.push_back(*std::move(result));
    }
    return outputs;
  }
  int concurrency() const override { return concurrency_; }

 private:
  // A sample of its own, or what is wrong with it alone.
  using Results = std::vector<absl::StatusOr<Sample>>;

  absl::StatusOr<Results> RunBatch(std::span<Sample* const> batch) const {
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

  absl::StatusOr<Results> RunTogether(std::span<Sample* const> batch) const {
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

  absl::StatusOr<Sample> RunEngine(const Sample& inputs) const {
    if (slots_ != nullptr) slots_->Take();
    absl::StatusOr<Sample> outputs = engine_->Run(inputs);
    if (slots_ != nullptr) slots_->Return();
    if (!outputs.ok()) return Annotate(outputs.status(), absl::StrCat("model ", entry_.name()));
    for (size_t i = 0; i < outputs->size(); ++i) {
      if (AllFinite((*outputs)[i])) continue;
      return MakeError(absl::StatusCode::kInternal, Reason::kInvalidModelOutput,
                       absl::StrCat("model ", entry_.name(), ": output ", engine_->outputs()[i].name,
                                    " holds a NaN or an infinity; nothing of it is served"));
    }
    return outputs;
  }

  const config::v1::ModelEntry entry_;
  const ModelMetadata metadata_;
  const std::unique_ptr<Engine> engine_;
  const bool open_batch_;
  // nullptr on a GPU.
  const std::shared_ptr<RunSlots> slots_;
  telemetry::Metrics* const metrics_;
  const int concurrency_;
  mutable batching::DynamicBatcher<Sample, absl::StatusOr<Sample>> batcher_;
};

absl::StatusOr<std::unique_ptr<ModelRuntime>> ModelRuntime::Create(const model_store::ModelStore& store,
                                                                   Options options, telemetry::Metrics* metrics) {
  if (options.threads < 1) return InvalidField("threads", "must be at least 1");
  if (options.max_batch < 1) return InvalidField("max_batch", "must be at least 1");
  if (options.memory_budget_bytes < 0) return InvalidField("memory_budget_bytes", "must not be negative");
  if (!options.cpu_engine) options.cpu_engine = LoadOpenVinoEngine;
  if (options.device != "cpu" && !options.gpu_engine) {
    if (const absl::Status status = EngineAvailable(EngineKind::kLibTorch, options.device); !status.ok()) {
      return Annotate(status, absl::StrCat("there is no engine for device ", options.device));
    }
    options.gpu_engine = [](const std::string& path, const EngineOptions& engine_options) {
      return LoadEngine(EngineKind::kLibTorch, path, engine_options);
    };
  }
  if (options.memory_budget_bytes == 0) {
    options.memory_budget_bytes = process::ReadMemory().total_bytes / 2;
  }
  return std::unique_ptr<ModelRuntime>(new ModelRuntime(store, std::move(options), metrics));
}

ModelRuntime::ModelRuntime(const model_store::ModelStore& store, Options options, telemetry::Metrics* metrics)
    : store_(store),
      options_(std::move(options)),
      metrics_(metrics),
      cpu_slots_(std::make_shared<RunSlots>(options_.threads)),
      cache_(MakeCacheOptions()) {
  if (metrics_ == nullptr) return;
  for (const auto& [name, entry] : store_.catalog().models()) metrics_->DeclareModel(name);
  metrics_->models().cache_budget_bytes.Set({}, static_cast<double>(options_.memory_budget_bytes));
}

cache::CacheOptions ModelRuntime::MakeCacheOptions() const {
  cache::CacheOptions options;
  options.budget_bytes = options_.memory_budget_bytes;
  options.ttl = options_.idle_ttl;
  options.max_wait = options_.room_wait;
  options.used_fraction = options_.used_memory_fraction;
  options.failure_backoff = std::chrono::seconds(5);
  options.after_evict = [] { malloc_trim(0); };
  if (metrics_ == nullptr) return options;
  telemetry::ModelMetrics* const models = &metrics_->models();
  options.observer.on_use = [models](const std::string& key, bool hit) {
    (hit ? models->cache_hits_total : models->cache_misses_total).Add({key});
  };
  options.observer.on_load = [models](const std::string& key, const absl::Status& status, Clock::duration took) {
    models->loads_total.Add({key, telemetry::CodeLabel(status.code())});
    models->load_duration_seconds.Observe({key}, Seconds(took));
    if (status.ok()) models->loaded.Set({key}, 1);
  };
  options.observer.on_evict = [models](const std::string& key, Clock::duration age) {
    models->evictions_total.Add({key});
    models->age_at_eviction_seconds.Observe({key}, Seconds(age));
    models->loaded.Set({key}, 0);
  };
  options.observer.on_used = [models](int64_t used_bytes) {
    models->cache_used_bytes.Set({}, static_cast<double>(used_bytes));
  };
  return options;
}

absl::StatusOr<const config::v1::ModelEntry*> ModelRuntime::Entry(std::string_view name) const {
  if (const config::v1::ModelEntry* const entry = store_.catalog().Find(name); entry != nullptr) return entry;
  return InvalidField("model", absl::StrCat("the catalogue has no model ", std::string(name),
                                            "; `reelsight models list` shows what there is"));
}

const config::v1::ModelEntry* ModelRuntime::DefaultFor(std::string_view task, std::string_view role) const {
  return store_.catalog().DefaultFor(task, role);
}

absl::Status ModelRuntime::Installed(std::string_view name) const {
  cache_.Sweep();
  return store_.Installed(name).status();
}

absl::StatusOr<PinnedModel> ModelRuntime::Acquire(std::string_view name, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const config::v1::ModelEntry* const entry, Entry(name));
  ASSIGN_OR_RETURN(const std::string path, store_.Installed(name));
  // Weights, and about as much again for packed weights and working memory; what it really takes is measured.
  const int64_t estimate = 2 * BytesAt(path);
  ASSIGN_OR_RETURN(Cache::Pinned pinned, cache_.Acquire(
                                             entry->name(), estimate, [&] { return Load(*entry, path); }, cancel));
  return PinnedModel{std::move(pinned.value), pinned.hit};
}

absl::StatusOr<ModelRuntime::Cache::Loaded> ModelRuntime::Load(const config::v1::ModelEntry& entry,
                                                               const std::string& path) {
  const MutexLock lock(load_mutex_);
  if (const absl::Status checked = store_.Check(entry.name()); !checked.ok()) {
    return Annotate(checked, absl::StrCat("model ", entry.name()));
  }
  const std::string device = DeviceOf(entry);
  const bool on_gpu = device != "cpu";
  if (device != options_.device) {
    telemetry::Log(telemetry::LogLevel::kWarn, "", "a model runs on the CPU: it has no form that the GPU engine takes",
                   {{"model", entry.name()}, {"device", options_.device}});
  }
  if (metrics_ != nullptr) {
    metrics_->models().on_cpu_beside_gpu.Set({entry.name()}, device == options_.device ? 0 : 1);
  }
  EngineOptions engine_options;
  engine_options.device = device;
  engine_options.max_concurrent_runs = on_gpu ? 1 : options_.threads;
  engine_options.batch = on_gpu ? 0 : 1;
  engine_options.compiled_cache_directory = on_gpu ? "" : CompiledCacheDirectory();
  if (options_.half_precision && entry.allow_half_precision()) {
    engine_options.precision = on_gpu ? Precision::kFloat16 : Precision::kBfloat16;
  }
  const int64_t before = ResidentBytes();
  absl::StatusOr<std::unique_ptr<Engine>> loaded =
      (on_gpu ? options_.gpu_engine : options_.cpu_engine)(path, engine_options);
  if (!loaded.ok()) return Explain(loaded.status(), entry.name());
  std::unique_ptr<Engine> engine = *std::move(loaded);
  // The engine has judged the file; what cannot be read here is not there.
  ModelMetadata metadata = ReadOnnxMetadata(path).value_or(ModelMetadata());
  const int64_t bytes = std::max(engine->resident_bytes(), on_gpu ? 0 : ResidentBytes() - before);
  batching::BatcherOptions batcher;
  batcher.max_batch = on_gpu && HasOpenBatch(*engine) ? options_.max_batch : 1;
  if (on_gpu && options_.device_memory_bytes > 0) {
    batcher.start_batch = batching::StartBatch(entry.start_batch() > 0 ? entry.start_batch() : kGeneralStartBatch,
                                               options_.device_memory_bytes - cache_.used_bytes());
  }
  batcher.target_batch_duration = on_gpu ? options_.target_batch_duration : Clock::duration::zero();
  batcher.hold_time = on_gpu ? options_.hold_time : Clock::duration::zero();
  batcher.max_concurrent_batches = engine_options.max_concurrent_runs;
  if (metrics_ != nullptr) {
    telemetry::ModelMetrics* const models = &metrics_->models();
    const std::string name = entry.name();
    batcher.observer.on_batch = [models, name](int size, Clock::duration run) {
      models->batch_size.Observe({name}, size);
      models->run_duration_seconds.Observe({name}, Seconds(run));
    };
    batcher.observer.on_start = [models, name](Clock::duration waited) {
      models->sample_wait_seconds.Observe({name}, Seconds(waited));
    };
    batcher.observer.on_limit = [models, name](int limit, bool out_of_memory) {
      models->batch_limit.Set({name}, limit);
      if (out_of_memory) models->out_of_memory_total.Add({name});
    };
    batcher.observer.on_queue = [models, name](int64_t queued) {
      models->queue_length.Set({name}, static_cast<double>(queued));
    };
  }
  telemetry::Log(telemetry::LogLevel::kDebug, "", "model loaded",
                 {{"model", entry.name()}, {"file", path}, {"engine", engine->name()}, {"bytes", bytes}});
  return Cache::Loaded{std::make_shared<LoadedModel>(entry, std::move(metadata), std::move(engine), std::move(batcher),
                                                     on_gpu ? nullptr : cpu_slots_, metrics_),
                       bytes};
}

std::string ModelRuntime::CompiledCacheDirectory() {
  const std::string directory = absl::StrCat(store_.directory(), "/compiled");
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (!error && access(directory.c_str(), R_OK | W_OK | X_OK) == 0) return directory;
  if (!std::exchange(told_uncached_, true)) {
    telemetry::Log(
        telemetry::LogLevel::kInfo, "",
        "compiled models are not kept, so that each start compiles them anew: their folder cannot be written",
        {{"folder", directory}});
  }
  return "";
}

absl::Status ModelRuntime::Preload(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (const absl::Status status = Acquire(name, CancelToken()).status(); !status.ok()) {
      return Annotate(status, absl::StrCat("preloading ", name));
    }
  }
  return absl::OkStatus();
}

}  // namespace reelsight::inference
