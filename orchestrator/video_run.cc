// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/video_run.h"

#include <algorithm>
#include <utility>

#include "orchestrator/decode/frame_converter.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::orchestrator {
namespace {

PipelineInput InputOf(const std::string& id, const v1::AnalyzeRequest& request) {
  PipelineInput input{.request_id = id, .profile = request.sampling_profile(), .segments = {}};
  for (const v1::TimeSpan& segment : request.segments()) {
    input.segments.push_back({analysis::FromProto(segment.start_offset()), analysis::FromProto(segment.end_offset())});
  }
  return input;
}

VideoDecoder::Options DecoderOptions(const config::v1::OrchestratorConfig& config) {
  VideoDecoder::Options options;
  options.thread_count = config.decode_threads();
  options.limits.max_frame_pixels = config.limits().max_frame_pixels();
  options.limits.max_duration = absl::Seconds(config.limits().max_duration_seconds());
  options.limits.max_frames = config.limits().max_frames();
  return options;
}

}  // namespace

VideoRun::VideoRun(const Parts& parts, Run& run, Stopwatch since_admission)
    : parts_(parts), run_(run), request_(run.request()), since_admission_(since_admission) {}

absl::StatusOr<ResponsePtr> VideoRun::AnalyzeVideo() {
  RETURN_IF_ERROR(run_.cancel().status());
  const std::vector<EndpointSnapshot> services = parts_.directory.Snapshot();
  ASSIGN_OR_RETURN(const AnalysisPlan plan, MakePlan(*request_, services));
  ASSIGN_OR_RETURN(const std::unique_ptr<VideoDecoder> decoder, OpenVideo());
  run_.SendVideo(decoder->info());
  ASSIGN_OR_RETURN(const std::unique_ptr<FrameConverter> converter, FrameConverter::Create(decoder->info()));
  const std::vector<Endpoint> endpoints = WithinParallelism(parts_.endpoints, services);
  ResponseBuilder builder(plan);
  const absl::StatusOr<PipelineResult> pipeline = AnalyzeFrames(
      {plan, *decoder, *converter, endpoints, parts_.pool, concurrency::ProcessTimer(), parts_.metrics}, builder);
  // What was read was read, also where the run has failed.
  if (parts_.metrics != nullptr) parts_.metrics->orchestrator().source_bytes_total.Add({}, decoder->source_bytes());
  RETURN_IF_ERROR(pipeline.status());
  CountPipeline(*pipeline);
  CountResults(builder.results());
  return std::make_shared<v1::AnalyzeResponse>(builder.BuildResponse({.request_id = run_.id(),
                                                                      .video = decoder->info(),
                                                                      .source_bytes = decoder->source_bytes(),
                                                                      .open_time = open_time_,
                                                                      .since_admission = since_admission_},
                                                                     *pipeline));
}

absl::StatusOr<std::unique_ptr<VideoDecoder>> VideoRun::OpenVideo() {
  const Stopwatch stopwatch;
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source, parts_.opener.Open(request_, run_.work_cancel()));
  ASSIGN_OR_RETURN(std::unique_ptr<VideoDecoder> decoder,
                   VideoDecoder::Open(std::move(source), DecoderOptions(parts_.config), run_.work_cancel()));
  open_time_ = stopwatch.elapsed();
  if (parts_.metrics != nullptr) {
    parts_.metrics->orchestrator().open_duration_seconds.Observe({}, absl::ToDoubleSeconds(open_time_));
  }
  return decoder;
}

absl::StatusOr<PipelineResult> VideoRun::AnalyzeFrames(const PipelineParts& pipeline, ResponseBuilder& builder) const {
  PipelineObserver observer;
  observer.on_progress = [&](const v1::AnalyzeStreamResponse::Progress& progress) { run_.SendProgress(progress); };
  observer.on_outcome = [&](int place, const AnalyzerOutcome& outcome) {
    const v1::AnalyzerResult& result = builder.AddOutcome(place, outcome, since_admission_.elapsed());
    if (pipeline.plan.analyzers[place].requested) run_.SendResult(result);
  };
  return RunPipeline(pipeline, InputOf(run_.id(), *request_), observer, run_.cancel(), run_.work_cancel());
}

void VideoRun::CountPipeline(const PipelineResult& pipeline) const {
  if (parts_.metrics == nullptr) return;
  telemetry::OrchestratorMetrics& metrics = parts_.metrics->orchestrator();
  metrics.frames_decoded_total.Add({}, pipeline.frames_decoded);
  metrics.decode_duration_seconds.Observe({}, absl::ToDoubleSeconds(pipeline.decode_time));
  metrics.convert_duration_seconds.Observe({}, absl::ToDoubleSeconds(pipeline.feeder.convert_time));
  metrics.wait_duration_seconds.Observe({}, absl::ToDoubleSeconds(pipeline.feeder.wait_time));
  for (const TimeSpan& segment : pipeline.segments) {
    metrics.video_seconds_total.Add({}, std::max(0.0, absl::ToDoubleSeconds(segment.end - segment.start)));
  }
}

void VideoRun::CountResults(const std::vector<v1::AnalyzerResult>& results) const {
  if (parts_.metrics == nullptr) return;
  telemetry::OrchestratorMetrics& metrics = parts_.metrics->orchestrator();
  for (const v1::AnalyzerResult& result : results) {
    const auto code = static_cast<absl::StatusCode>(result.status().code());
    metrics.analyzer_results_total.Add({result.analyzer(), telemetry::CodeLabel(code)});
    metrics.analyzer_result_duration_seconds.Observe(
        {result.analyzer()}, absl::ToDoubleSeconds(analysis::FromProto(result.timing().elapsed())));
  }
}

}  // namespace reelsight::orchestrator
