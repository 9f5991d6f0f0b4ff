// SPDX-License-Identifier: Apache-2.0
//
// What the analyzer services offer, kept fresh in the background so that no run waits for a service that is down.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/fanout/endpoint.h"
#include "orchestrator/plan/analysis_plan.h"
#include "shared/base/cancel_token.h"
#include "shared/base/mutex.h"

namespace reelsight::telemetry {
class Metrics;
}

namespace reelsight::orchestrator {

// Thread-safe.
class AnalyzerDirectory {
 public:
  // Asks every endpoint now and each `interval` after. `metrics` may be null.
  AnalyzerDirectory(const std::vector<Endpoint>& endpoints, absl::Duration interval,
                    telemetry::Metrics* metrics);
  ~AnalyzerDirectory();

  // What is known, in the order of the endpoints. Blocks only until every endpoint was asked once, 3 s at most.
  std::vector<EndpointSnapshot> Snapshot();
  // Asks again first; 3 s at most.
  std::vector<EndpointSnapshot> Refresh();

 private:
  struct State;
  void Work();
  std::vector<EndpointSnapshot> Await(int64_t round);

  const std::vector<Endpoint> endpoints_;
  const absl::Duration interval_;
  telemetry::Metrics* const metrics_;
  // Shared with answers that come too late.
  std::shared_ptr<State> state_;
  CancelToken stop_;
  std::thread thread_;
};

}  // namespace reelsight::orchestrator
