// SPDX-License-Identifier: Apache-2.0
//
// How the orchestrator reaches a group of analyzers: by a direct call in the embedded program, by gRPC else. One client
// stands for one service with all its replicas.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "reelsight/analyzer/v1/analyzer_service.pb.h"
#include "shared/analysis/frame.h"
#include "shared/base/cancel_token.h"

namespace reelsight::analysis {

// Thread-safe. Every callback runs exactly once, on a thread of the client's, possibly before the call returns, and
// must not block. A cancelled token ends a call soon, with the token's status.
class AnalyzerClient {
 public:
  using DescribeCallback = std::function<void(absl::StatusOr<analyzer::v1::DescribeResponse>)>;
  using BatchCallback = std::function<void(absl::StatusOr<analyzer::v1::AnalyzeFramesResponse>)>;
  using SummarizeCallback = std::function<void(absl::StatusOr<analyzer::v1::SummarizeResponse>)>;

  virtual ~AnalyzerClient() = default;

  virtual void Describe(const CancelToken& cancel, DescribeCallback done) = 0;
  // One attempt; UNAVAILABLE and RESOURCE_EXHAUSTED may be tried again by the caller.
  virtual void AnalyzeFrames(std::shared_ptr<const Batch> batch, const CancelToken& cancel, BatchCallback done) = 0;
  virtual void Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest> request, const CancelToken& cancel,
                         SummarizeCallback done) = 0;

  // True if pictures travel to another process.
  virtual bool remote() const { return false; }
};

}  // namespace reelsight::analysis
