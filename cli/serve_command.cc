// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/embedded_backend.h"
#include "orchestrator/orchestrator_config.h"
#include "orchestrator/video_analysis_service.h"
#include "shared/base/status.h"
#include "shared/process/config_file.h"
#include "shared/process/descriptors.h"
#include "shared/process/signals.h"
#include "shared/process/version.h"
#include "shared/rpc/run_server.h"
#include "shared/rpc/server_config.h"
#include "shared/telemetry/log.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::cli {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  reelsight serve\n"
    "  reelsight serve --listen 0.0.0.0:7010 --metrics 0.0.0.0:9010 --root /srv/videos\n"
    "  reelsight serve --config reelsight.textproto\n"
    "The configuration is protobuf text format, message reelsight.config.v1.OrchestratorConfig; its endpoints, if "
    "any,\n"
    "join the analyzers inside. Flags win over the file. SIGTERM and Ctrl-C let calls under way finish.";

class ServeCommand final : public Command {
 public:
  std::string name() const override { return "serve"; }
  std::string description() const override { return "Serves the whole API from this one process"; }

  void Define(CLI::App& app) override {
    app.add_option("--listen,-l", listen_, "Address for gRPC; default: 127.0.0.1:7010; port 0 takes a free one")
        ->type_name("HOST:PORT");
    app.add_option("--metrics,-m", metrics_, "Address for Prometheus; default: none")->type_name("HOST:PORT");
    app.add_option("--config,-c", config_path_, "Configuration file")->type_name("FILE");
    app.add_option("--root", roots_, "Folder whose files may be analysed by path; may be repeated")
        ->type_name("FOLDER")
        ->take_all();
    app.add_option("--threads", threads_, "Threads for analysis; default: one for each processor")
        ->check(CLI::Range(1, 1024))
        ->type_name("N");
    app.add_flag("--check-config", check_only_, "Checks the configuration and stops");
    app.footer(kExamples);
  }

  ExitCode Run() override {
    // Before the first thread, so that all inherit it.
    process::BlockSignals();
    process::RaiseDescriptorLimit();
    config::v1::OrchestratorConfig config;
    if (const absl::Status status = Prepare(config); !status.ok()) {
      std::fprintf(stderr, "reelsight serve: %s\n", std::string(status.message()).c_str());
      return ExitCode::kUsage;
    }
    if (check_only_) {
      std::fprintf(stderr, "the configuration is good\n");
      return ExitCode::kOk;
    }
    if (const absl::Status status = Serve(config); !status.ok()) {
      std::fprintf(stderr, "reelsight serve: %s\n", std::string(status.message()).c_str());
      return ExitCode::kFailed;
    }
    return ExitCode::kOk;
  }

 private:
  absl::Status Prepare(config::v1::OrchestratorConfig& config) const {
    if (!config_path_.empty()) RETURN_IF_ERROR(process::LoadConfigFile(config_path_, &config));
    if (!listen_.empty()) config.mutable_server()->set_listen_address(listen_);
    if (!metrics_.empty()) config.mutable_server()->set_metrics_address(metrics_);
    for (const std::string& root : roots_) {
      std::error_code error;
      const auto path = std::filesystem::canonical(root, error);
      if (error) return absl::NotFoundError(absl::StrCat("--root: no such folder: ", root));
      config.mutable_sources()->add_file_roots(path.string());
    }
    rpc::ApplyDefaults("127.0.0.1:7010", "", config.mutable_server());
    RETURN_IF_ERROR(rpc::CheckServerConfig(config.server()));
    orchestrator::ApplyDefaults(&config);
    return orchestrator::CheckOrchestratorConfig(config);
  }

  absl::Status Serve(const config::v1::OrchestratorConfig& config) const {
    ASSIGN_OR_RETURN(const telemetry::LogOptions log, rpc::ToLogOptions(config.server().log(), "reelsight"));
    telemetry::InitLog(log);
    telemetry::Metrics metrics({.service = "reelsight",
                                .version = process::Version(),
                                .methods = {"Analyze", "AnalyzeStream", "UploadVideo", "ListAnalyzers"},
                                .analyzers = true,
                                .models = true,
                                .orchestrator = true});
    ASSIGN_OR_RETURN(const auto backend, EmbeddedBackend::Create(config, threads_, &metrics));
    rpc::CallGate gate(config.server().max_concurrent_calls(), metrics.methods());
    concurrency::FairExecutor disk({.thread_count = 4, .name = "disk"});
    orchestrator::VideoAnalysisServiceImpl service(backend->orchestrator(), {gate, &metrics}, disk);
    rpc::ServerParts parts;
    parts.name = "reelsight";
    parts.services = {
        {&service, v1::VideoAnalysisService::service_full_name(), [&] { return backend->orchestrator().Health(); }}};
    parts.metrics = &metrics;
    parts.on_refuse = [&] { backend->orchestrator().BeginDrain(); };
    return rpc::RunServer(config.server(), gate, parts);
  }

  std::string listen_;
  std::string metrics_;
  std::string config_path_;
  std::vector<std::string> roots_;
  int threads_ = 0;
  bool check_only_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeServeCommand() { return std::make_unique<ServeCommand>(); }

}  // namespace reelsight::cli
