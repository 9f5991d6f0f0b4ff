// SPDX-License-Identifier: Apache-2.0
//
// An analyzer service as the orchestrator is given it, from the configuration down to the calls of a run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/plan/analysis_plan.h"
#include "shared/analysis/analyzer_client.h"

namespace reelsight::orchestrator {

// Its values are the defaults of config.v1.AnalyzerEndpoint.
struct Endpoint {
  std::string name;
  std::shared_ptr<analysis::AnalyzerClient> client;
  // Batches of one run under way at once; as many again may wait. More hide latency and cost memory. At least 1.
  int max_in_flight_batches = 4;
  // Longest time for one attempt at a batch or a summary; infinite: as long as the run may take.
  absl::Duration batch_timeout = absl::Seconds(60);
  // How often one batch or summary is sent again after UNAVAILABLE.
  int max_retries = 3;
};

// `endpoints` with no more batches under way at once than the services say that they work on.
std::vector<Endpoint> WithinParallelism(std::vector<Endpoint> endpoints, const std::vector<EndpointSnapshot>& services);

}  // namespace reelsight::orchestrator
