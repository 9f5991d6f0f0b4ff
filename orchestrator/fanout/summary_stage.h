// SPDX-License-Identifier: Apache-2.0
//
// Asks every analyzer for its answer, each as soon as those it builds on have theirs.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "orchestrator/fanout/batch_dispatcher.h"
#include "orchestrator/plan/analysis_plan.h"

namespace reelsight::orchestrator {

// One analyzer's share of a run.
struct AnalyzerOutcome {
  absl::Status status;
  // Set if the status is OK.
  analyzer::v1::SummarizeResponse summary;
  FrameOutcome frames;
  absl::Duration summarize_time;
};

struct SummaryStageInput {
  std::string request_id;
  analyzer::v1::VideoFacts video;
  std::vector<analyzer::v1::Segment> segments;
  v1::AnalyzeRequest::SamplingProfile profile = v1::AnalyzeRequest::ACCURATE;
};

// Blocks until every analyzer of `plan` has an outcome, in the order of the plan. `frames` is moved from. Where the
// token is cancelled, those without an answer get its status. `on_outcome` is called on this thread as each outcome is
// there.
std::vector<AnalyzerOutcome> RunSummaries(const AnalysisPlan& plan, const SummaryStageInput& input,
                                          std::map<std::string, FrameOutcome> frames,
                                          const std::vector<DispatchEndpoint>& endpoints, concurrency::Timer& timer,
                                          const CancelToken& cancel,
                                          const std::function<void(int place, const AnalyzerOutcome&)>& on_outcome);

}  // namespace reelsight::orchestrator
