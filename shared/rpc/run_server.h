// SPDX-License-Identifier: Apache-2.0
//
// What the main functions of all our servers do once they have their services: a Server and the metrics' port, from
// start to signal to end. It knows no service of ours by name.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "shared/rpc/server.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::rpc {

// What RunServer runs.
struct ServerParts {
  // For the log and metrics, for instance `orchestrator`.
  std::string name;
  std::vector<ServedService> services;
  // May be null; exposed at the configured metrics address.
  telemetry::Metrics* metrics = nullptr;
  // Runs when new calls are refused while stopping.
  std::function<void()> on_refuse;
  // Told the addresses once the server listens; for instance prints them.
  std::function<void(const std::string& address, const std::string& metrics_address)> on_listening;
};

// Serves until SIGTERM or SIGINT, drains, returns. A second signal ends the process at once with status 128 + signal.
// REQUIRES: process::BlockSignals was called before any thread was started (Program does it). Errors as Server::Start.
absl::Status RunServer(const config::v1::ServerConfig& config, CallGate& gate, const ServerParts& parts);

}  // namespace reelsight::rpc
