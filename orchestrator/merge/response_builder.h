// SPDX-License-Identifier: Apache-2.0
//
// Makes the answer of one run: first the result of each analyzer as it comes, in the end all of them with timeline,
// summary and statistics.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/fanout/run_pipeline.h"
#include "orchestrator/plan/analysis_plan.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/base/stopwatch.h"

namespace reelsight::orchestrator {

// Used by one thread at a time. `plan` must outlive it.
class ResponseBuilder {
 public:
  // What the answer says of the run besides its outcomes.
  struct RunFacts {
    std::string request_id;
    v1::VideoInfo video;
    // Bytes read of the source.
    int64_t source_bytes = 0;
    // How long it took to open the source.
    absl::Duration open_time;
    Stopwatch since_admission;
  };

  explicit ResponseBuilder(const AnalysisPlan& plan) : plan_(plan), results_(plan.analyzers.size()) {}

  // Takes the outcome of the analyzer at `place` in the plan, `elapsed` after the run's admission. Returns its result,
  // which stays until BuildResponse.
  const v1::AnalyzerResult& AddOutcome(int place, const AnalyzerOutcome& outcome, absl::Duration elapsed);
  // In the order of the plan, with those that nobody asked for; empty ones where no outcome came.
  const std::vector<v1::AnalyzerResult>& results() const { return results_; }

  // The answer, which takes the results with it. REQUIRES: every outcome was added; called once.
  v1::AnalyzeResponse BuildResponse(const RunFacts& facts, const PipelineResult& pipeline);

 private:
  v1::Timeline MakeTimeline(const PipelineResult& pipeline) const;

  const AnalysisPlan& plan_;
  std::vector<v1::AnalyzerResult> results_;
};

}  // namespace reelsight::orchestrator
