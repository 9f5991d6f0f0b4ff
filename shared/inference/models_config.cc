// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/models_config.h"

#include "shared/base/status.h"

namespace reelsight::inference {
namespace {

constexpr int kDefaultMaxBatch = 64;
constexpr double kDefaultHoldTimeMs = 2;

}  // namespace

std::vector<process::Setting> ModelSettings() {
  return {
      {"models", "models.directory", "Folder of installed models", "PATH"},
      {"model_catalogs", "models.catalogs", "Catalogues of models beside the built-in one, separated by commas"},
      {"preload_models", "models.preload", "Models loaded at start, separated by commas"},
      {"model_memory_bytes", "models.memory_budget_bytes", "Memory for loaded models; 0: half of the machine's", "N"}};
}

absl::Status CheckModelsConfig(const config::v1::ModelsConfig& config) {
  if (config.memory_budget_bytes() < 0) return InvalidField("models.memory_budget_bytes", "must not be negative");
  if (!(config.idle_ttl_seconds() >= 0)) return InvalidField("models.idle_ttl_seconds", "must not be negative");
  if (config.max_batch() < 0 || config.max_batch() > 1024) return InvalidField("models.max_batch", "must be 1 to 1024");
  if (config.has_hold_time_ms() && !(config.hold_time_ms() >= 0 && config.hold_time_ms() <= 10'000)) {
    return InvalidField("models.hold_time_ms", "must be 0 to 10000");
  }
  return absl::OkStatus();
}

absl::StatusOr<model_store::ModelStore> OpenStore(const config::v1::ModelsConfig& config) {
  return model_store::ModelStore::Open(
      {.directory = config.directory(), .catalog_files = {config.catalogs().begin(), config.catalogs().end()}});
}

ModelRuntime::Options ToRuntimeOptions(const config::v1::ModelsConfig& config) {
  const auto steady = [](double seconds) {
    return std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds));
  };
  ModelRuntime::Options options;
  options.memory_budget_bytes = config.memory_budget_bytes();
  options.idle_ttl = steady(config.idle_ttl_seconds());
  options.hold_time = steady((config.has_hold_time_ms() ? config.hold_time_ms() : kDefaultHoldTimeMs) / 1000);
  options.max_batch = config.max_batch() > 0 ? config.max_batch() : kDefaultMaxBatch;
  options.half_precision = !config.float32_only();
  return options;
}

}  // namespace reelsight::inference
