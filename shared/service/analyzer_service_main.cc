// SPDX-License-Identifier: Apache-2.0
#include "shared/service/analyzer_service_main.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/base/status.h"
#include "shared/inference/models_config.h"
#include "shared/process/memory.h"
#include "shared/process/program.h"
#include "shared/process/slice.h"
#include "shared/process/version.h"
#include "shared/rpc/analyzer_service.h"
#include "shared/rpc/run_server.h"
#include "shared/rpc/server_config.h"
#include "shared/service/measured_analyzer.h"

namespace reelsight::service {
namespace {

using config::v1::AnalyzerServiceConfig;
using Analyzers = std::vector<std::unique_ptr<analysis::Analyzer>>;

// Keeps those that the configuration names; all if it names none.
absl::StatusOr<Analyzers> Choose(Analyzers all, const AnalyzerServiceConfig& config) {
  if (config.analyzers().empty()) return all;
  std::set<std::string> wanted(config.analyzers().begin(), config.analyzers().end());
  std::vector<std::string> names;
  Analyzers chosen;
  for (std::unique_ptr<analysis::Analyzer>& analyzer : all) {
    names.push_back(analyzer->Describe().name());
    if (wanted.erase(names.back()) > 0) chosen.push_back(std::move(analyzer));
  }
  if (wanted.empty()) return chosen;
  return InvalidField("analyzers",
                      absl::StrCat("no analyzer ", *wanted.begin(), "; there are ", absl::StrJoin(names, ", ")));
}

// Summarize brings the results of all frames of a video: 216,000 frames, the orchestrator's limit, at about 1 KiB each.
constexpr int64_t kDefaultMaxReceiveBytes = int64_t{256} << 20;

absl::Status Prepare(const AnalyzerServiceParts& parts, AnalyzerServiceConfig* config) {
  ApplyDefaults(parts, config);
  RETURN_IF_ERROR(rpc::CheckServerConfig(config->server()));
  if (config->max_queued_batches() < 1) return InvalidField("max_queued_batches", "must be at least 1");
  RETURN_IF_ERROR(process::CheckSlice(*config));
  RETURN_IF_ERROR(inference::CheckModelsConfig(config->models()));
  ASSIGN_OR_RETURN(const model_store::ModelStore store, inference::OpenStore(config->models()));
  ASSIGN_OR_RETURN(const auto runtime, inference::ModelRuntime::Create(store, {}, nullptr));
  return Choose(parts.make_analyzers(*runtime), *config).status();
}

absl::Status Run(const AnalyzerServiceParts& parts, const AnalyzerServiceConfig& config) {
  ASSIGN_OR_RETURN(const telemetry::LogOptions log, rpc::ToLogOptions(config.server().log(), parts.name));
  telemetry::InitLog(log);
  // First of all, because it does not move threads that run already.
  ASSIGN_OR_RETURN(const process::Slice slice, process::TakeSlice(config));
  const int threads = slice.threads;
  telemetry::Metrics metrics({.service = parts.name,
                              .version = process::Version(),
                              .methods = {"Describe", "AnalyzeFrames", "Summarize"},
                              .analyzers = true,
                              .models = true});
  ASSIGN_OR_RETURN(const model_store::ModelStore store, inference::OpenStore(config.models()));
  inference::ModelRuntime::Options runtime_options = inference::ToRuntimeOptions(config.models());
  runtime_options.device = slice.device;
  runtime_options.threads = threads;
  runtime_options.memory_budget_bytes = slice.memory_budget_bytes;
  if (slice.device == "cpu") {
    runtime_options.used_memory_fraction = process::UsedMemoryFraction;
  } else {
    runtime_options.device_memory_bytes = slice.total_memory_bytes;
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<inference::ModelRuntime> runtime,
                   inference::ModelRuntime::Create(store, std::move(runtime_options), &metrics));
  RETURN_IF_ERROR(runtime->Preload({config.models().preload().begin(), config.models().preload().end()}));
  ASSIGN_OR_RETURN(Analyzers analyzers, Choose(parts.make_analyzers(*runtime), config));
  ASSIGN_OR_RETURN(const std::unique_ptr<analysis::AnalyzerHost> host,
                   analysis::AnalyzerHost::Create(parts.name, process::Version(),
                                                  MeasureAnalyzers(std::move(analyzers), metrics), threads));
  rpc::CallGate gate(config.server().max_concurrent_calls(), metrics.methods());
  metrics.analyzers().workers.Set({parts.name}, threads);
  concurrency::FairExecutor executor({.thread_count = threads,
                                      .max_queued = config.max_queued_batches(),
                                      .name = parts.name,
                                      .on_change = [&](int64_t queued, int64_t running) {
                                        metrics.analyzers().queue_length.Set({parts.name}, queued);
                                        metrics.analyzers().workers_busy.Set({parts.name}, running);
                                      }});
  rpc::AnalyzerServiceImpl service(*host, executor, {gate, &metrics});
  return rpc::RunServer(
      config.server(), gate,
      {.name = parts.name,
       .services = {{&service, analyzer::v1::AnalyzerService::service_full_name(), [&] { return service.Health(); }}},
       .metrics = &metrics});
}

}  // namespace

void ApplyDefaults(const AnalyzerServiceParts& parts, AnalyzerServiceConfig* config) {
  if (config->server().max_receive_bytes() == 0) {
    config->mutable_server()->set_max_receive_bytes(kDefaultMaxReceiveBytes);
  }
  rpc::ApplyDefaults(parts.default_listen_address, parts.default_metrics_address, config->mutable_server());
  if (config->max_queued_batches() == 0) config->set_max_queued_batches(64);
}

int AnalyzerServiceMain(int argc, const char* const* argv, const AnalyzerServiceParts& parts) {
  const std::string program = absl::StrCat("reelsight-", parts.name);
  process::ProgramInfo info{.name = program, .description = parts.description};
  info.examples = absl::StrCat("  ", program, "\n  ", program, " --config deploy/local/", parts.name, ".textproto\n  ",
                               program, " --listen_address 127.0.0.1:0 --log_format json\n");
  info.settings = process::ServerSettings();
  info.settings.push_back({"analyzers", "analyzers", "Analyzers to offer, separated by commas"});
  info.settings.push_back({"cpus", "cpus", "Processors to run on, as in 0-3,8"});
  info.settings.push_back({"threads", "threads", "Worker threads; 0: one for each processor"});
  for (process::Setting& setting : process::SliceSettings()) info.settings.push_back(std::move(setting));
  for (process::Setting& setting : inference::ModelSettings()) info.settings.push_back(std::move(setting));
  info.settings.push_back({"max_queued_batches", "max_queued_batches", "Batches that may wait"});
  AnalyzerServiceConfig config;
  return process::RunProgram(
      info, argc, argv, &config, [&] { return Prepare(parts, &config); }, [&] { return Run(parts, config); });
}

}  // namespace reelsight::service
