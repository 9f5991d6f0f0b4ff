// SPDX-License-Identifier: Apache-2.0
//
// One run at work, from its request to its answer: plan, source, decoder, pipeline, merge, in this order. Who wants the
// answer, and when the run's turn comes, is not its business: run.h, run_queue.h.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/analyzer_directory.h"
#include "orchestrator/decode/video_decoder.h"
#include "orchestrator/fanout/endpoint.h"
#include "orchestrator/fanout/run_pipeline.h"
#include "orchestrator/merge/response_builder.h"
#include "orchestrator/plan/analysis_plan.h"
#include "orchestrator/run.h"
#include "orchestrator/source/source_opener.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/base/stopwatch.h"

namespace reelsight::telemetry {
class Metrics;
}

namespace reelsight::orchestrator {

// Used by one thread, once.
class VideoRun {
 public:
  // What all runs share. Borrowed.
  struct Parts {
    const config::v1::OrchestratorConfig& config;
    const std::vector<Endpoint>& endpoints;
    AnalyzerDirectory& directory;
    const SourceOpener& opener;
    analysis::FramePool& pool;
    // May be null.
    telemetry::Metrics* metrics = nullptr;
  };

  // `run` must outlive it.
  VideoRun(const Parts& parts, Run& run, Stopwatch since_admission);

  // Blocks until the run is over. Sends the run's events on the way, but does not finish it. Errors: those of
  // MakePlan, of the source, of the decoder and of RunPipeline; the run's own status if it is cancelled.
  absl::StatusOr<ResponsePtr> AnalyzeVideo();

 private:
  absl::StatusOr<std::unique_ptr<VideoDecoder>> OpenVideo();
  // Has the analyzers see the video; each outcome goes to `builder`, and from there to the run's callers.
  absl::StatusOr<PipelineResult> AnalyzeFrames(const PipelineParts& pipeline, ResponseBuilder& builder) const;
  void CountPipeline(const PipelineResult& pipeline) const;
  void CountResults(const std::vector<v1::AnalyzerResult>& results) const;

  // Constant after construction.
  const Parts parts_;
  Run& run_;
  const std::shared_ptr<const v1::AnalyzeRequest> request_;
  const Stopwatch since_admission_;

  // Used by the run's thread only.
  absl::Duration open_time_;
};

}  // namespace reelsight::orchestrator
