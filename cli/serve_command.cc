// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/embedded_services.h"
#include "orchestrator/orchestrator_main.h"
#include "shared/base/status.h"
#include "shared/inference/models_config.h"
#include "shared/process/program.h"

namespace reelsight::cli {
namespace {

constexpr char kExamples[] =
    "  reelsight serve\n"
    "  reelsight serve --listen 0.0.0.0:7010 --metrics 0.0.0.0:9010 --root /srv/videos\n"
    "  reelsight serve --config reelsight.textproto\n"
    "The configuration is a message reelsight.config.v1.OrchestratorConfig; its endpoints, if any, join the analyzers\n"
    "inside. SIGTERM and Ctrl-C let calls under way finish.";

class ServeCommand final : public Command {
 public:
  std::string name() const override { return "serve"; }
  std::string description() const override { return "Serves the whole API from this one process"; }

  void Define(CLI::App& app) override {
    flags_.Define(app);
    app.add_option("--threads", threads_, "Threads for analysis; default: one for each processor")
        ->check(CLI::Range(1, 1024))
        ->type_name("N");
  }

  ExitCode Run() override {
    process::PrepareProcess();
    return static_cast<ExitCode>(orchestrator::RunOrchestrator(parts_, flags_));
  }

 private:
  int threads_ = 0;
  const orchestrator::OrchestratorParts parts_{
      .program = "reelsight serve",
      .description = description(),
      .examples = kExamples,
      .service = "reelsight",
      .inner_settings = inference::ModelSettings(),
      .check_inner_services =
          [](const config::v1::OrchestratorConfig& config) {
            RETURN_IF_ERROR(inference::CheckModelsConfig(config.models()));
            return inference::OpenStore(config.models()).status();
          },
      .make_inner_services = [this](const config::v1::OrchestratorConfig& config, telemetry::Metrics& metrics)
          -> absl::StatusOr<std::unique_ptr<orchestrator::InnerServices>> {
        return EmbeddedServices::Create(config.models(), {.threads = threads_}, metrics);
      }};
  process::ConfigurationFlags flags_{orchestrator::MakeProgramInfo(parts_)};
};

}  // namespace

std::unique_ptr<Command> MakeServeCommand() { return std::make_unique<ServeCommand>(); }

}  // namespace reelsight::cli
