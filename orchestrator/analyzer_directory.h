// SPDX-License-Identifier: Apache-2.0
//
// What the analyzer services offer, kept fresh in the background so that nobody waits for a service that is down: for
// plans, for the list of analyzers, and for health.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "orchestrator/fanout/endpoint.h"
#include "orchestrator/plan/analysis_plan.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/base/mutex.h"

namespace reelsight::telemetry {
class Metrics;
}

namespace reelsight::orchestrator {

// Thread-safe.
class AnalyzerDirectory {
 public:
  struct Options {
    // Pause between two questions to one service. Raising it makes changes known later.
    absl::Duration interval = absl::Seconds(2);
    // A service that does not answer for so long is told as not available. It is not asked again while a question to
    // it is under way.
    absl::Duration answer_timeout = absl::Seconds(3);
    // How long, from the start, Snapshot and WhenKnown wait for services that were never heard of.
    absl::Duration first_round = absl::Seconds(3);
  };

  // Asks every endpoint now and each `interval` after its last answer. `metrics` may be null.
  AnalyzerDirectory(const std::vector<Endpoint>& endpoints, Options options, telemetry::Metrics* metrics);
  ~AnalyzerDirectory();

  // What is known, in the order of the endpoints. Blocks only while known() is false.
  std::vector<EndpointSnapshot> Snapshot();
  // The same for callers of the API: analyzers by name, those of services that do not answer as not available.
  v1::ListAnalyzersResponse ListAnalyzers();
  // OK if at least one analyzer can be used now, else UNAVAILABLE, which says why for each.
  absl::Status Health();
  // Every endpoint has answered or failed once, or `first_round` has passed. Stays true.
  bool known() const;
  // Runs `done` once known() is true: at once, or on the directory's thread. It must not block.
  void WhenKnown(std::function<void()> done);

 private:
  using Clock = std::chrono::steady_clock;
  struct EndpointState;
  struct State;
  void KeepAsking();
  // Begins to ask those whose turn has come; tells of those that took too long. Returns when to look again.
  Clock::time_point AskServices();

  const std::vector<Endpoint> endpoints_;
  const Options options_;
  telemetry::Metrics* const metrics_;
  // Shared with answers that come too late.
  const std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace reelsight::orchestrator
