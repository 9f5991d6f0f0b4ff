// SPDX-License-Identifier: Apache-2.0
//
// The analyzers of one service, and the dispatch of batches to them. It knows neither gRPC nor threads: the local
// client and the gRPC service both call it from their workers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "shared/analysis/analyzer.h"

namespace reelsight::analysis {

// Thread-safe after Create.
class AnalyzerHost {
 public:
  // `service` names the group. INVALID_ARGUMENT on a repeated analyzer name.
  static absl::StatusOr<std::unique_ptr<AnalyzerHost>> Create(std::string service, std::string version,
                                                              std::vector<std::unique_ptr<Analyzer>> analyzers,
                                                              int parallelism);

  analyzer::v1::DescribeResponse Describe() const;
  // Runs every work of `batch`, one after the other. An analyzer's failure is data in its result; the status fails only
  // for a malformed batch (INVALID_ARGUMENT) or when cancelled.
  absl::StatusOr<analyzer::v1::AnalyzeFramesResponse> AnalyzeFrames(const Batch& batch,
                                                                    const CancelToken& cancel) const;
  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) const;
  const std::string& service() const { return service_; }

 private:
  AnalyzerHost() = default;
  absl::StatusOr<Analyzer*> Find(const std::string& name) const;

  std::string service_;
  std::string version_;
  int parallelism_ = 1;
  std::map<std::string, std::unique_ptr<Analyzer>> analyzers_;
};

// Translates a status for analyzer.v1.
analyzer::v1::Failure ToFailure(const absl::Status& status);
absl::Status FromFailure(const analyzer::v1::Failure& failure);

}  // namespace reelsight::analysis
