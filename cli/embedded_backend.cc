// SPDX-License-Identifier: Apache-2.0
#include "cli/embedded_backend.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/str_split.h"
#include "orchestrator/orchestrator_config.h"
#include "orchestrator/remote_endpoint.h"
#include "services/detection/analyzers.h"
#include "services/lightweight/analyzers.h"
#include "services/segmentation/analyzers.h"
#include "shared/analysis/local_analyzer_client.h"
#include "shared/base/status.h"
#include "shared/inference/models_config.h"
#include "shared/process/cpu_set.h"
#include "shared/process/version.h"
#include "shared/service/measured_analyzer.h"

namespace reelsight::cli {

int UsableProcessors() { return std::max(1, static_cast<int>(process::AvailableCpus().size())); }

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
                                                                         int threads, telemetry::Metrics* metrics,
                                                                         std::function<double()> used_memory_fraction) {
  orchestrator::ApplyDefaults(&config);
  RETURN_IF_ERROR(orchestrator::CheckOrchestratorConfig(config));
  const int workers = threads > 0 ? threads : UsableProcessors();
  auto backend = std::unique_ptr<EmbeddedBackend>(new EmbeddedBackend());
  if (metrics == nullptr) {
    backend->own_metrics_ = std::make_unique<telemetry::Metrics>(
        telemetry::Metrics::Options{.service = "reelsight", .version = process::Version()});
    metrics = backend->own_metrics_.get();
  }
  telemetry::AnalyzerMetrics& measured = metrics->analyzers();
  const std::string label = metrics->service();
  RETURN_IF_ERROR(inference::CheckModelsConfig(config.models()));
  ASSIGN_OR_RETURN(model_store::ModelStore store, inference::OpenStore(config.models()));
  backend->store_ = std::make_unique<model_store::ModelStore>(std::move(store));
  inference::ModelRuntime::Options runtime_options = inference::ToRuntimeOptions(config.models());
  runtime_options.threads = workers;
  runtime_options.used_memory_fraction = std::move(used_memory_fraction);
  ASSIGN_OR_RETURN(backend->runtime_,
                   inference::ModelRuntime::Create(*backend->store_, std::move(runtime_options), metrics));
  // The list of services. A new one is one line here.
  ASSIGN_OR_RETURN(auto lightweight, analysis::AnalyzerHost::Create(
                                         "lightweight", process::Version(),
                                         service::MeasureAnalyzers(
                                             lightweight::MakeLightweightAnalyzers(backend->runtime_.get()), *metrics),
                                         workers));
  backend->hosts_.push_back(std::move(lightweight));
  ASSIGN_OR_RETURN(
      auto detection,
      analysis::AnalyzerHost::Create(
          "detection", process::Version(),
          service::MeasureAnalyzers(detection::MakeDetectionAnalyzers(*backend->runtime_), *metrics), workers));
  backend->hosts_.push_back(std::move(detection));
  ASSIGN_OR_RETURN(
      auto segmentation,
      analysis::AnalyzerHost::Create(
          "segmentation", process::Version(),
          service::MeasureAnalyzers(segmentation::MakeSegmentationAnalyzers(*backend->runtime_), *metrics), workers));
  backend->hosts_.push_back(std::move(segmentation));
  measured.workers.Set({label}, workers);
  backend->executor_ = std::make_unique<concurrency::FairExecutor>(
      concurrency::FairExecutor::Options{.thread_count = workers,
                                         .max_queued = 4096,
                                         .name = "analyze",
                                         .on_change = [&measured, label](int64_t queued, int64_t running) {
                                           measured.queue_length.Set({label}, queued);
                                           measured.workers_busy.Set({label}, running);
                                         }});
  const auto on_start = [&measured, label](const analysis::Batch& batch, std::chrono::steady_clock::duration waited) {
    measured.queue_duration_seconds.Observe({label}, std::chrono::duration<double>(waited).count());
    measured.batch_frames.Observe({label}, static_cast<double>(batch.frames.size()));
  };
  std::vector<orchestrator::Endpoint> endpoints;
  for (const auto& host : backend->hosts_) {
    endpoints.push_back(
        {.name = host->service(),
         .client = std::make_shared<analysis::LocalAnalyzerClient>(*host, *backend->executor_, on_start),
         .max_in_flight_batches = std::max(4, 2 * workers),
         // No peer that may be gone: what is slow here is the machine, and slowness is no failure.
         .batch_timeout = absl::InfiniteDuration()});
  }
  for (const config::v1::AnalyzerEndpoint& endpoint : config.endpoints()) {
    ASSIGN_OR_RETURN(endpoints.emplace_back(), orchestrator::MakeRemoteEndpoint(endpoint));
  }
  ASSIGN_OR_RETURN(backend->orchestrator_, orchestrator::Orchestrator::Create(config, std::move(endpoints), metrics));
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
