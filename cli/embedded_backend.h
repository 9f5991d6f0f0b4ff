// SPDX-License-Identifier: Apache-2.0
//
// The whole of Reelsight in one process: the orchestrator and the engines of all services, wired by direct calls. No
// frame passes a socket or is copied.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "cli/backend.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/concurrency/fair_executor.h"
#include "shared/inference/model_runtime.h"
#include "shared/model_store/model_store.h"
#include "shared/process/memory.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::cli {

class EmbeddedBackend final : public Backend {
 public:
  // Starts with `config`, whose absent fields get their defaults; its endpoints, if any, join the embedded analyzers.
  // `threads`: workers for the analyzers; 0: one for each processor the process may use. `metrics` may be null (nobody
  // asks), else it must outlive the backend. `used_memory_fraction`: see cache::CacheOptions, as in the services.
  // INVALID_ARGUMENT if the configuration is not usable.
  static absl::StatusOr<std::unique_ptr<EmbeddedBackend>> Create(
      config::v1::OrchestratorConfig config, int threads, telemetry::Metrics* metrics = nullptr,
      std::function<double()> used_memory_fraction = process::UsedMemoryFraction);
  // A configuration for a person at a terminal: any file, any address, one video at a time.
  static config::v1::OrchestratorConfig PersonalConfig();

  absl::StatusOr<v1::AnalyzeResponse> Analyze(const std::string& input, v1::AnalyzeRequest request,
                                              AnalysisObserver* observer, const CancelToken& cancel) override;
  absl::StatusOr<v1::ListAnalyzersResponse> ListAnalyzers(const CancelToken& cancel) override;

  orchestrator::Orchestrator& orchestrator() { return *orchestrator_; }

 private:
  EmbeddedBackend() = default;

  // In the order in which they need each other; destroyed from the last.
  std::unique_ptr<telemetry::Metrics> own_metrics_;
  std::unique_ptr<model_store::ModelStore> store_;
  std::unique_ptr<inference::ModelRuntime> runtime_;
  std::vector<std::unique_ptr<analysis::AnalyzerHost>> hosts_;
  std::unique_ptr<concurrency::FairExecutor> executor_;
  std::unique_ptr<orchestrator::Orchestrator> orchestrator_;
};

// Processors the process may use.
int UsableProcessors();

}  // namespace reelsight::cli
