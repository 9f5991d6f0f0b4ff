// SPDX-License-Identifier: Apache-2.0
//
// Batches without pictures for tests of the dispatcher, and a service that answers them as a test says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/fanout/batch_dispatcher.h"
#include "shared/concurrency/timer.h"

namespace reelsight::orchestrator {

using BatchPtr = std::shared_ptr<const analysis::Batch>;

inline analyzer::v1::AnalyzeFramesResponse Answer(const analysis::Batch& batch) {
  analyzer::v1::AnalyzeFramesResponse response;
  for (const analysis::AnalyzerWork& work : batch.work) {
    analyzer::v1::AnalyzerBatchResult& result = *response.add_results();
    result.set_analyzer(work.analyzer);
    for (const int64_t index : work.target_indexes) result.add_results()->set_index(index);
  }
  return response;
}

// Calls a function for each batch; the function may keep the callback.
class ScriptedClient final : public analysis::AnalyzerClient {
 public:
  using Script = std::function<void(BatchPtr, const CancelToken&, BatchCallback)>;
  explicit ScriptedClient(Script script) : script_(std::move(script)) {}
  void Describe(const CancelToken&, DescribeCallback done) override { done(absl::UnimplementedError("")); }
  void AnalyzeFrames(BatchPtr batch, const CancelToken& cancel, BatchCallback done) override {
    script_(std::move(batch), cancel, std::move(done));
  }
  void Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest>, const CancelToken&,
                 SummarizeCallback done) override {
    done(absl::UnimplementedError(""));
  }

 private:
  const Script script_;
};

inline BatchPtr MakeBatch(std::vector<std::string> analyzers, std::vector<int64_t> targets) {
  auto batch = std::make_shared<analysis::Batch>();
  for (std::string& name : analyzers) {
    batch->work.push_back(
        {.analyzer = std::move(name), .options = {}, .target_indexes = targets, .context_indexes = {}});
  }
  return batch;
}

inline concurrency::Timer& TestTimer() {
  static concurrency::Timer& timer = *new concurrency::Timer();
  return timer;
}

inline BatchDispatcher MakeDispatcher(ScriptedClient::Script script, const CancelToken& cancel, int max_in_flight = 2,
                                      int max_retries = 3, absl::Duration timeout = absl::Hours(24)) {
  const auto log = std::make_shared<AttemptLog>();
  const Endpoint endpoint{"peer", std::make_shared<ScriptedClient>(std::move(script)), max_in_flight, timeout,
                          max_retries};
  return BatchDispatcher(MakeServiceCalls({endpoint}, TestTimer(), nullptr, log), log, cancel);
}

inline std::vector<int64_t> Indexes(const FrameOutcome& outcome) {
  std::vector<int64_t> indexes;
  for (const auto& result : outcome.results) indexes.push_back(result.index());
  return indexes;
}

}  // namespace reelsight::orchestrator
