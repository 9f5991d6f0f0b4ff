// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/orchestrator_main.h"

#include <utility>

#include "orchestrator/orchestrator.h"
#include "orchestrator/orchestrator_config.h"
#include "orchestrator/remote_endpoint.h"
#include "orchestrator/video_analysis_service.h"
#include "shared/base/status.h"
#include "shared/process/version.h"
#include "shared/rpc/run_server.h"
#include "shared/rpc/server_config.h"

namespace reelsight::orchestrator {
namespace {

absl::Status Prepare(const OrchestratorParts& parts, config::v1::OrchestratorConfig* config) {
  rpc::ApplyDefaults("127.0.0.1:7010", parts.default_metrics_address, config->mutable_server());
  ApplyDefaults(config);
  RETURN_IF_ERROR(rpc::CheckServerConfig(config->server()));
  if (parts.make_inner_services == nullptr && config->endpoints().empty()) {
    return InvalidField("endpoints",
                        "is empty; name at least one analyzer service, as in "
                        "`endpoints { name: \"lightweight\" target: \"127.0.0.1:7011\" }`");
  }
  RETURN_IF_ERROR(CheckOrchestratorConfig(*config));
  return parts.check_inner_services == nullptr ? absl::OkStatus() : parts.check_inner_services(*config);
}

absl::Status Serve(const OrchestratorParts& parts, const config::v1::OrchestratorConfig& config) {
  ASSIGN_OR_RETURN(const telemetry::LogOptions log, rpc::ToLogOptions(config.server().log(), parts.service));
  telemetry::InitLog(log);
  const bool has_inner = parts.make_inner_services != nullptr;
  telemetry::Metrics metrics({.service = parts.service,
                              .version = process::Version(),
                              .methods = {"Analyze", "AnalyzeStream", "UploadVideo", "ListAnalyzers"},
                              .analyzers = has_inner,
                              .models = has_inner,
                              .orchestrator = true});
  std::unique_ptr<InnerServices> inner;
  std::vector<Endpoint> endpoints;
  if (has_inner) {
    ASSIGN_OR_RETURN(inner, parts.make_inner_services(config, metrics));
    endpoints = inner->endpoints();
  }
  for (const config::v1::AnalyzerEndpoint& endpoint : config.endpoints()) {
    ASSIGN_OR_RETURN(endpoints.emplace_back(), MakeRemoteEndpoint(endpoint));
  }
  ASSIGN_OR_RETURN(const auto orchestrator, Orchestrator::Create(config, std::move(endpoints), &metrics));
  rpc::CallGate gate(config.server().max_concurrent_calls(), metrics.methods());
  concurrency::FairExecutor disk({.thread_count = 4, .name = "disk"});
  VideoAnalysisServiceImpl service(*orchestrator, {gate, &metrics}, disk);
  return rpc::RunServer(
      config.server(), gate,
      {.name = parts.service,
       .services = {{&service, v1::VideoAnalysisService::service_full_name(), [&] { return orchestrator->Health(); }}},
       .metrics = &metrics,
       .on_refuse = [&] { orchestrator->BeginDrain(); }});
}

}  // namespace

process::ProgramInfo MakeProgramInfo(const OrchestratorParts& parts) {
  process::ProgramInfo info{.name = parts.program,
                            .description = parts.description,
                            .examples = parts.examples,
                            .settings = process::ServerSettings()};
  info.settings.push_back({"file_roots", "sources.file_roots",
                           "Folders whose files may be analysed by path, separated by commas", "FOLDER", "--root"});
  info.settings.push_back({"max_concurrent_runs", "max_concurrent_runs", "Videos worked on at once", "N"});
  info.settings.insert(info.settings.end(), parts.inner_settings.begin(), parts.inner_settings.end());
  return info;
}

int RunOrchestrator(const OrchestratorParts& parts, const process::ConfigurationFlags& flags) {
  config::v1::OrchestratorConfig config;
  return flags.Run(
      &config, [&] { return Prepare(parts, &config); }, [&] { return Serve(parts, config); });
}

int OrchestratorMain(int argc, const char* const* argv, const OrchestratorParts& parts) {
  config::v1::OrchestratorConfig config;
  return process::RunProgram(
      MakeProgramInfo(parts), argc, argv, &config, [&] { return Prepare(parts, &config); },
      [&] { return Serve(parts, config); });
}

}  // namespace reelsight::orchestrator
