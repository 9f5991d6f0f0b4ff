// SPDX-License-Identifier: Apache-2.0
//
// reelsight-orchestrator: the public service over analyzer services behind gRPC.
#include <utility>
#include <vector>

#include "orchestrator/orchestrator.h"
#include "orchestrator/orchestrator_config.h"
#include "orchestrator/remote_endpoint.h"
#include "orchestrator/video_analysis_service.h"
#include "shared/base/status.h"
#include "shared/process/program.h"
#include "shared/process/version.h"
#include "shared/rpc/run_server.h"
#include "shared/rpc/server_config.h"

namespace reelsight::orchestrator {
namespace {

constexpr char kExamples[] =
    "  reelsight-orchestrator --config orchestrator.textproto\n"
    "  reelsight-orchestrator --config orchestrator.textproto --check_config\n"
    "  reelsight-orchestrator --config orchestrator.textproto --listen_address 0.0.0.0:7010 --log_format json\n";

absl::Status Prepare(config::v1::OrchestratorConfig* config) {
  rpc::ApplyDefaults("127.0.0.1:7010", "127.0.0.1:9010", config->mutable_server());
  ApplyDefaults(config);
  RETURN_IF_ERROR(rpc::CheckServerConfig(config->server()));
  if (config->endpoints().empty()) {
    return InvalidField("endpoints",
                        "is empty; name at least one analyzer service, as in "
                        "`endpoints { name: \"lightweight\" target: \"127.0.0.1:7011\" }`");
  }
  return CheckOrchestratorConfig(*config);
}

absl::Status Serve(const config::v1::OrchestratorConfig& config) {
  ASSIGN_OR_RETURN(const telemetry::LogOptions log, rpc::ToLogOptions(config.server().log(), "orchestrator"));
  telemetry::InitLog(log);
  telemetry::Metrics metrics({.service = "orchestrator",
                              .version = process::Version(),
                              .methods = {"Analyze", "AnalyzeStream", "UploadVideo", "ListAnalyzers"},
                              .orchestrator = true});
  std::vector<Endpoint> endpoints;
  for (const config::v1::AnalyzerEndpoint& endpoint : config.endpoints()) {
    ASSIGN_OR_RETURN(endpoints.emplace_back(), MakeRemoteEndpoint(endpoint));
  }
  ASSIGN_OR_RETURN(const auto orchestrator, Orchestrator::Create(config, std::move(endpoints), &metrics));
  rpc::CallGate gate(config.server().max_concurrent_calls(), metrics.methods());
  concurrency::FairExecutor disk({.thread_count = 4, .name = "disk"});
  VideoAnalysisServiceImpl service(*orchestrator, {gate, &metrics}, disk);
  return rpc::RunServer(
      config.server(), gate,
      {.name = "orchestrator",
       .services = {{&service, v1::VideoAnalysisService::service_full_name(), [&] { return orchestrator->Health(); }}},
       .metrics = &metrics,
       .on_refuse = [&] { orchestrator->BeginDrain(); }});
}

int Main(int argc, const char* const* argv) {
  config::v1::OrchestratorConfig config;
  process::ProgramInfo info{
      .name = "reelsight-orchestrator",
      .description = "Analyses videos: decodes them once and fans frames out to analyzer services.",
      .examples = kExamples,
      .settings = process::ServerSettings()};
  info.settings.push_back({"file_roots", "sources.file_roots", "Folders whose files may be analysed, by commas"});
  info.settings.push_back({"max_concurrent_runs", "max_concurrent_runs", "Videos worked on at once"});
  return process::RunProgram(
      info, argc, argv, &config, [&] { return Prepare(&config); }, [&] { return Serve(config); });
}

}  // namespace
}  // namespace reelsight::orchestrator

int main(int argc, char** argv) { return reelsight::orchestrator::Main(argc, argv); }
