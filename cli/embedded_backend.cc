// SPDX-License-Identifier: Apache-2.0
#include "cli/embedded_backend.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/str_split.h"
#include "orchestrator/orchestrator_config.h"
#include "shared/base/status.h"
#include "shared/process/version.h"

namespace reelsight::cli {

// Nobody asks for these metrics.
EmbeddedBackend::EmbeddedBackend() : metrics_({.service = "reelsight", .version = process::Version()}) {}

config::v1::OrchestratorConfig EmbeddedBackend::PersonalConfig() {
  config::v1::OrchestratorConfig config;
  config.mutable_sources()->set_allow_any_file(true);
  config.mutable_sources()->set_allow_private_addresses(true);
  config.set_max_concurrent_runs(1);
  if (const char* const catalogs = std::getenv("REELSIGHT_MODEL_CATALOGS"); catalogs != nullptr) {
    for (const absl::string_view file : absl::StrSplit(catalogs, ',', absl::SkipEmpty())) {
      config.mutable_models()->add_catalogs(std::string(file));
    }
  }
  return config;
}

absl::StatusOr<std::unique_ptr<EmbeddedBackend>> EmbeddedBackend::Create(config::v1::OrchestratorConfig config,
                                                                         int threads,
                                                                         std::function<double()> used_memory_fraction) {
  orchestrator::ApplyDefaults(&config);
  RETURN_IF_ERROR(orchestrator::CheckOrchestratorConfig(config));
  auto backend = std::unique_ptr<EmbeddedBackend>(new EmbeddedBackend());
  ASSIGN_OR_RETURN(backend->services_,
                   EmbeddedServices::Create(
                       config.models(), {.threads = threads, .used_memory_fraction = std::move(used_memory_fraction)},
                       backend->metrics_));
  ASSIGN_OR_RETURN(backend->orchestrator_,
                   orchestrator::Orchestrator::Create(config, backend->services_->endpoints(), &backend->metrics_));
  return backend;
}

absl::StatusOr<v1::AnalyzeResponse> EmbeddedBackend::Analyze(const std::string& input, v1::AnalyzeRequest request,
                                                             AnalysisObserver* observer, const CancelToken& cancel) {
  request.set_uri(input);
  return orchestrator_->AnalyzeAndWait(request, observer, cancel);
}

absl::StatusOr<v1::ListAnalyzersResponse> EmbeddedBackend::ListAnalyzers(const CancelToken& cancel) {
  RETURN_IF_ERROR(cancel.status());
  return orchestrator_->ListAnalyzers();
}

}  // namespace reelsight::cli
