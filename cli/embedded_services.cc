// SPDX-License-Identifier: Apache-2.0
#include "cli/embedded_services.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

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
namespace {

struct ServiceMaker {
  const char* name;
  std::vector<std::unique_ptr<analysis::Analyzer>> (*make_analyzers)(inference::ModelSource& models);
};
// The services. A new one is one line here.
constexpr ServiceMaker kServices[] = {
    {"lightweight", [](inference::ModelSource& models) { return lightweight::MakeLightweightAnalyzers(&models); }},
    {"detection", detection::MakeDetectionAnalyzers},
    {"segmentation", segmentation::MakeSegmentationAnalyzers},
};

}  // namespace

int UsableProcessors() { return std::max(1, static_cast<int>(process::AvailableCpus().size())); }

absl::StatusOr<std::unique_ptr<EmbeddedServices>> EmbeddedServices::Create(const config::v1::ModelsConfig& config,
                                                                           const Options& options,
                                                                           telemetry::Metrics& metrics) {
  auto services = std::unique_ptr<EmbeddedServices>(new EmbeddedServices(metrics));
  const int workers = options.threads > 0 ? options.threads : UsableProcessors();
  services->workers_ = workers;
  RETURN_IF_ERROR(inference::CheckModelsConfig(config));
  ASSIGN_OR_RETURN(model_store::ModelStore store, inference::OpenStore(config));
  services->store_ = std::make_unique<model_store::ModelStore>(std::move(store));
  inference::ModelRuntime::Options runtime_options = inference::ToRuntimeOptions(config);
  runtime_options.threads = workers;
  runtime_options.used_memory_fraction = options.used_memory_fraction;
  ASSIGN_OR_RETURN(services->runtime_,
                   inference::ModelRuntime::Create(*services->store_, std::move(runtime_options), &metrics));
  RETURN_IF_ERROR(services->runtime_->Preload({config.preload().begin(), config.preload().end()}));
  for (const ServiceMaker& maker : kServices) {
    ASSIGN_OR_RETURN(services->hosts_.emplace_back(),
                     analysis::AnalyzerHost::Create(
                         maker.name, process::Version(),
                         service::MeasureAnalyzers(maker.make_analyzers(*services->runtime_), metrics), workers));
  }
  telemetry::AnalyzerMetrics& measured = metrics.analyzers();
  const std::string label = metrics.service();
  measured.workers.Set({label}, workers);
  services->executor_ = std::make_unique<concurrency::FairExecutor>(
      concurrency::FairExecutor::Options{.thread_count = workers,
                                         .max_queued = 4096,
                                         .name = "analyze",
                                         .on_change = [&measured, label](int64_t queued, int64_t running) {
                                           measured.queue_length.Set({label}, queued);
                                           measured.workers_busy.Set({label}, running);
                                         }});
  return services;
}

std::vector<orchestrator::Endpoint> EmbeddedServices::endpoints() {
  const auto on_start = [&measured = metrics_.analyzers(), label = metrics_.service()](
                            const analysis::Batch& batch, std::chrono::steady_clock::duration waited) {
    measured.queue_duration_seconds.Observe({label}, std::chrono::duration<double>(waited).count());
    measured.batch_frames.Observe({label}, static_cast<double>(batch.frames.size()));
  };
  std::vector<orchestrator::Endpoint> endpoints;
  for (const auto& host : hosts_) {
    endpoints.push_back({.name = host->service(),
                         .client = std::make_shared<analysis::LocalAnalyzerClient>(*host, *executor_, on_start),
                         .max_in_flight_batches = std::max(4, 2 * workers_),
                         // No peer that may be gone: what is slow here is the machine, and slowness is no failure.
                         .batch_timeout = absl::InfiniteDuration()});
  }
  return endpoints;
}

}  // namespace reelsight::cli
