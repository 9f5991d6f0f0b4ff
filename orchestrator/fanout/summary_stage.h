// SPDX-License-Identifier: Apache-2.0
//
// Asks every analyzer for its answer, each as soon as its frames are done and those it builds on have theirs: a slow
// analyzer's last frames and the others' summaries share the machine.
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
  // True if the run's time was over before every frame was handed out.
  bool frames_missing = false;
};

struct SummaryStageObserver {
  // Called as each outcome is there.
  std::function<void(int place, const AnalyzerOutcome&)> on_outcome;
  // Called several times a second while the stage waits.
  std::function<void()> on_wait;
};

// Blocks until every analyzer of `plan` has an outcome, in the order of the plan. `frames` are taken as they become
// complete. Where the token is cancelled, those without an answer get its status. The observer is called on this
// thread.
std::vector<AnalyzerOutcome> RunSummaries(const AnalysisPlan& plan, const SummaryStageInput& input,
                                          FrameOutcomeSource& frames, const std::vector<ServiceCall>& services,
                                          const CancelToken& cancel, const SummaryStageObserver& observer);

}  // namespace reelsight::orchestrator
