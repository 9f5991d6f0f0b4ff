// SPDX-License-Identifier: Apache-2.0
//
// The main function of every program that serves VideoAnalysisService: `reelsight-orchestrator`, whose analyzers are
// all behind gRPC, and `reelsight serve`, which has some inside. Both have the same flags, environment and
// configuration.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "orchestrator/fanout/endpoint.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/process/program.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::orchestrator {

// Analyzers inside the process, and what they work with. Outlives the orchestrator.
class InnerServices {
 public:
  virtual ~InnerServices() = default;
  virtual std::vector<Endpoint> endpoints() = 0;
};

struct OrchestratorParts {
  // As users call it, for instance `reelsight serve`.
  std::string program;
  // What it does, in one line, for --help.
  std::string description;
  // Lines shown below the flags by --help.
  std::string examples;
  // Its name in logs and metrics.
  std::string service;
  // Empty: no metrics unless an address is configured.
  std::string default_metrics_address = {};
  // What the services inside have beside the flags of every orchestrator.
  std::vector<process::Setting> inner_settings = {};
  // What --check_config checks of them; null: nothing.
  std::function<absl::Status(const config::v1::OrchestratorConfig& config)> check_inner_services = nullptr;
  // Makes the analyzers inside. Null: there are none, and the configuration must name endpoints.
  std::function<absl::StatusOr<std::unique_ptr<InnerServices>>(const config::v1::OrchestratorConfig& config,
                                                               telemetry::Metrics& metrics)>
      make_inner_services = nullptr;
};

// Flags and environment variables of config.v1.OrchestratorConfig.
process::ProgramInfo MakeProgramInfo(const OrchestratorParts& parts);
// Serves by what `flags`, made of MakeProgramInfo and parsed, say, until told to stop. Returns the exit status of the
// process: 0 good, 1 it could not serve, 2 wrong usage or configuration.
int RunOrchestrator(const OrchestratorParts& parts, const process::ConfigurationFlags& flags);
// A whole main function around it.
int OrchestratorMain(int argc, const char* const* argv, const OrchestratorParts& parts);

}  // namespace reelsight::orchestrator
