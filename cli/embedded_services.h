// SPDX-License-Identifier: Apache-2.0
//
// The engines of all services in one process, wired to an orchestrator by direct calls. No frame passes a socket or is
// copied.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "orchestrator/orchestrator_main.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/concurrency/fair_executor.h"
#include "shared/inference/model_runtime.h"
#include "shared/model_store/model_store.h"
#include "shared/process/memory.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::cli {

class EmbeddedServices final : public orchestrator::InnerServices {
 public:
  struct Options {
    // Workers for the analyzers; 0: one for each processor the process may use.
    int threads = 0;
    // See cache::CacheOptions, as in the services.
    std::function<double()> used_memory_fraction = process::UsedMemoryFraction;
  };

  // `metrics` must outlive them. INVALID_ARGUMENT if the configuration is not usable.
  static absl::StatusOr<std::unique_ptr<EmbeddedServices>> Create(const config::v1::ModelsConfig& config,
                                                                  const Options& options, telemetry::Metrics& metrics);

  // One for each service.
  std::vector<orchestrator::Endpoint> endpoints() override;

 private:
  explicit EmbeddedServices(telemetry::Metrics& metrics) : metrics_(metrics) {}

  // In the order in which they need each other; destroyed from the last.
  telemetry::Metrics& metrics_;
  std::unique_ptr<model_store::ModelStore> store_;
  std::unique_ptr<inference::ModelRuntime> runtime_;
  std::vector<std::unique_ptr<analysis::AnalyzerHost>> hosts_;
  std::unique_ptr<concurrency::FairExecutor> executor_;
  int workers_ = 0;
};

// Processors the process may use.
int UsableProcessors();

}  // namespace reelsight::cli
