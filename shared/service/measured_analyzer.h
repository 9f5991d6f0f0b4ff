// SPDX-License-Identifier: Apache-2.0
//
// A decorator around any analyzer, so that none of them has to count. It knows nothing of what it wraps.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shared/analysis/analyzer.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::service {

// Counts batches, failures and times of an analyzer, and makes a status of a C++ exception that a library under it
// throws: one must not end the service. Thread-safe if the analyzer is.
class MeasuredAnalyzer final : public analysis::Analyzer {
 public:
  // `metrics` must outlive it.
  MeasuredAnalyzer(std::unique_ptr<analysis::Analyzer> analyzer, telemetry::Metrics& metrics);

  analyzer::v1::AnalyzerDescription Describe() const override { return analyzer_->Describe(); }
  absl::StatusOr<std::vector<std::string>> AnalyzeFrames(const analysis::BatchView& view,
                                                         const CancelToken& cancel) override;
  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) override;

 private:
  void CountFailure(const absl::Status& status, const CancelToken& cancel);

  const std::unique_ptr<analysis::Analyzer> analyzer_;
  const std::string name_;
  telemetry::Metrics& metrics_;
};

// Wraps each. `metrics` must outlive them.
std::vector<std::unique_ptr<analysis::Analyzer>> MeasureAnalyzers(
    std::vector<std::unique_ptr<analysis::Analyzer>> analyzers, telemetry::Metrics& metrics);

}  // namespace reelsight::service
