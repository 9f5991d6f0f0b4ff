// SPDX-License-Identifier: Apache-2.0
//
// The main loop of a run: frames out of the decoder, batches to the services, summaries back. It knows neither sources
// nor the public answer.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/decode/frame_converter.h"
#include "orchestrator/decode/video_decoder.h"
#include "orchestrator/fanout/frame_feeder.h"
#include "orchestrator/fanout/summary_stage.h"
#include "orchestrator/plan/analysis_plan.h"
#include "orchestrator/plan/time_span.h"

namespace reelsight::orchestrator {

struct PipelineInput {
  std::string request_id;
  v1::AnalyzeRequest::SamplingProfile profile = v1::AnalyzeRequest::ACCURATE;
  // Parts to analyse, in order of time, without overlap; empty: all.
  std::vector<TimeSpan> segments;
};

// Borrowed for the time of the run.
struct PipelineParts {
  const AnalysisPlan& plan;
  VideoDecoder& decoder;
  FrameConverter& converter;
  const std::vector<Endpoint>& endpoints;
  analysis::FramePool& pool;
  concurrency::Timer& timer;
  // May be null.
  telemetry::Metrics* metrics = nullptr;
};

struct PipelineResult {
  // In the order of the plan.
  std::vector<AnalyzerOutcome> outcomes;
  // What was analysed: the segments asked for, cut to the video.
  std::vector<TimeSpan> segments;
  int64_t frames_decoded = 0;
  // Bytes of pictures sent to other processes.
  int64_t sent_bytes = 0;
  absl::Duration decode_time;
  // From the last batch of frames to the last summary. Most summaries are made before.
  absl::Duration summarize_time;
  FrameFeeder::Stats feeder;
};

// Told how far the run is, at most ten times a second, and of each outcome. On the thread that runs the pipeline.
struct PipelineObserver {
  std::function<void(const v1::AnalyzeStreamResponse::Progress&)> on_progress;
  std::function<void(int place, const AnalyzerOutcome&)> on_outcome;
};

// Blocks until the run is over. `cancel` ends it with its status. `work_cancel` is cancelled with it or before:
// analyzers that are not done by then get its status, and the others' answers are kept. An error cancels `work_cancel`,
// which stops the batches still under way. Errors: the decoder's, `cancel`'s, INVALID_ARGUMENT for a segment behind the
// video's end, FAILED_PRECONDITION (VIDEO_TOO_LARGE) if the pictures asked for do not fit the frame budget.
absl::StatusOr<PipelineResult> RunPipeline(const PipelineParts& parts, const PipelineInput& input,
                                           const PipelineObserver& observer, const CancelToken& cancel,
                                           const CancelToken& work_cancel);

}  // namespace reelsight::orchestrator
