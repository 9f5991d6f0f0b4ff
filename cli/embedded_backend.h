// SPDX-License-Identifier: Apache-2.0
//
// The whole of Reelsight in one process: an orchestrator over EmbeddedServices.
#pragma once

#include <functional>
#include <memory>

#include "cli/backend.h"
#include "cli/embedded_services.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/process/memory.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::cli {

class EmbeddedBackend final : public Backend {
 public:
  // Starts with `config`, whose absent fields get their defaults. See EmbeddedServices::Options for the others.
  // INVALID_ARGUMENT if the configuration is not usable.
  static absl::StatusOr<std::unique_ptr<EmbeddedBackend>> Create(
      config::v1::OrchestratorConfig config, int threads,
      std::function<double()> used_memory_fraction = process::UsedMemoryFraction);
  // A configuration for a person at a terminal: any file, any address, one video at a time.
  static config::v1::OrchestratorConfig PersonalConfig();

  absl::StatusOr<v1::AnalyzeResponse> Analyze(const std::string& input, v1::AnalyzeRequest request,
                                              AnalysisObserver* observer, const CancelToken& cancel) override;
  absl::StatusOr<v1::ListAnalyzersResponse> ListAnalyzers(const CancelToken& cancel) override;

  orchestrator::Orchestrator& orchestrator() { return *orchestrator_; }

 private:
  EmbeddedBackend();

  // In the order in which they need each other; destroyed from the last.
  telemetry::Metrics metrics_;
  std::unique_ptr<EmbeddedServices> services_;
  std::unique_ptr<orchestrator::Orchestrator> orchestrator_;
};

}  // namespace reelsight::cli
