// SPDX-License-Identifier: Apache-2.0
//
// An analyzer client whose calls are attempts: each has a deadline of its own, what may pass is tried again within a
// budget, and what stays is said in words that name the service. One for each run and service.
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "orchestrator/fanout/attempt_log.h"
#include "shared/analysis/analyzer_client.h"
#include "shared/concurrency/timer.h"

namespace reelsight::telemetry {
class Metrics;
}

namespace reelsight::orchestrator {

// Thread-safe. Calls may outlive it. When the token of a call ends, the attempt under way ends with it; a call that
// waits for its next attempt ends when that is due.
class RetryingClient final : public analysis::AnalyzerClient {
 public:
  struct Options {
    // Name of the service, for messages and metrics.
    std::string service;
    // Longest time of one attempt; infinite: as long as the call's token lasts.
    absl::Duration attempt_timeout = absl::Seconds(60);
    // Attempts at one call after the first, where the service was UNAVAILABLE.
    int max_retries = 3;
    // The same over all calls of this client, so that a service that is down does not hold a long run for minutes.
    int retry_budget = 20;
  };

  // `timer` must outlive all calls, so must `metrics`, which may be null.
  RetryingClient(std::shared_ptr<analysis::AnalyzerClient> next, Options options, concurrency::Timer& timer,
                 telemetry::Metrics* metrics, std::shared_ptr<AttemptLog> log);

  // Not tried again.
  void Describe(const CancelToken& cancel, DescribeCallback done) override;
  // Errors: the token's status; UNAVAILABLE, RETRY_BUDGET_SPENT; DEADLINE_EXCEEDED if an attempt took too long; what is
  // final by retry_policy.h.
  void AnalyzeFrames(std::shared_ptr<const analysis::Batch> batch, const CancelToken& cancel,
                     BatchCallback done) override;
  void Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest> request, const CancelToken& cancel,
                 SummarizeCallback done) override;
  bool remote() const override;

 private:
  struct Shared;
  template <typename Response>
  class RetriedCall;

  const std::shared_ptr<Shared> shared_;
};

}  // namespace reelsight::orchestrator
