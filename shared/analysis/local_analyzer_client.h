// SPDX-License-Identifier: Apache-2.0
//
// AnalyzerClient for analyzers in this very process: no socket, no copy of a frame.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "shared/analysis/analyzer_client.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/concurrency/fair_executor.h"

namespace reelsight::analysis {

class LocalAnalyzerClient final : public AnalyzerClient {
 public:
  // Told of each batch when a worker starts it; `waited` is its time in the queue. Called on the worker's thread.
  using StartObserver = std::function<void(const Batch& batch, std::chrono::steady_clock::duration waited)>;

  // Borrows host and executor; they must outlive the client and all its calls. Several clients may share an executor.
  LocalAnalyzerClient(const AnalyzerHost& host, concurrency::FairExecutor& executor, StartObserver on_start = nullptr)
      : host_(host), executor_(executor), on_start_(std::move(on_start)) {}

  void Describe(const CancelToken& cancel, DescribeCallback done) override;
  void AnalyzeFrames(std::shared_ptr<const Batch> batch, const CancelToken& cancel, BatchCallback done) override;
  void Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest> request, const CancelToken& cancel,
                 SummarizeCallback done) override;

 private:
  const AnalyzerHost& host_;
  concurrency::FairExecutor& executor_;
  const StartObserver on_start_;
};

}  // namespace reelsight::analysis
