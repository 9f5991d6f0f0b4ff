// SPDX-License-Identifier: Apache-2.0
//
// How a run calls its services: the one place where the layers around a client are stacked.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "orchestrator/fanout/attempt_log.h"
#include "orchestrator/fanout/endpoint.h"
#include "shared/concurrency/timer.h"

namespace reelsight::telemetry {
class Metrics;
}

namespace reelsight::orchestrator {

// One service as one run calls it.
struct ServiceCall {
  std::string name;
  // Retries within the run's budget, measures each attempt, and reaches the service.
  std::shared_ptr<analysis::AnalyzerClient> client;
  int max_in_flight_batches = 1;
};

// In the order of `endpoints`. `timer` and `metrics` (which may be null) must outlive all calls.
std::vector<ServiceCall> MakeServiceCalls(const std::vector<Endpoint>& endpoints, concurrency::Timer& timer,
                                          telemetry::Metrics* metrics, const std::shared_ptr<AttemptLog>& log);

}  // namespace reelsight::orchestrator
