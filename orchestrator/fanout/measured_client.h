// SPDX-License-Identifier: Apache-2.0
//
// An analyzer client that counts: each attempt at a batch, how long it took, how it ended, and the bytes it sent.
#pragma once

#include <memory>
#include <string>

#include "orchestrator/fanout/attempt_log.h"
#include "shared/analysis/analyzer_client.h"

namespace reelsight::telemetry {
class Metrics;
}

namespace reelsight::orchestrator {

// Thread-safe. Calls may outlive it, but not `metrics`.
class MeasuredClient final : public analysis::AnalyzerClient {
 public:
  // `metrics` may be null. `service` is the value of its label.
  MeasuredClient(std::shared_ptr<analysis::AnalyzerClient> next, std::string service, telemetry::Metrics* metrics,
                 std::shared_ptr<AttemptLog> log);

  void Describe(const CancelToken& cancel, DescribeCallback done) override;
  void AnalyzeFrames(std::shared_ptr<const analysis::Batch> batch, const CancelToken& cancel,
                     BatchCallback done) override;
  void Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest> request, const CancelToken& cancel,
                 SummarizeCallback done) override;
  bool remote() const override { return next_->remote(); }

 private:
  const std::shared_ptr<analysis::AnalyzerClient> next_;
  const std::string service_;
  telemetry::Metrics* const metrics_;
  const std::shared_ptr<AttemptLog> log_;
};

}  // namespace reelsight::orchestrator
