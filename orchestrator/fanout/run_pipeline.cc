// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/run_pipeline.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/out_of_memory.h"
#include "shared/base/status.h"
#include "shared/base/stopwatch.h"

namespace reelsight::orchestrator {
namespace {

constexpr absl::Duration kProgressInterval = absl::Milliseconds(100);
// Frames between two looks at which analyzers were given up.
constexpr int64_t kGiveUpInterval = 16;

// A segment must begin before `duration`, which is not zero.
absl::Status CheckSegments(const std::vector<TimeSpan>& segments, absl::Duration duration) {
  for (size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].start < duration) continue;
    return InvalidField(absl::StrCat("segments[", i, "].start_offset"),
                        absl::StrCat("is ", absl::FormatDuration(segments[i].start), ", but the video is only ",
                                     absl::FormatDuration(duration), " long"));
  }
  return absl::OkStatus();
}

class Pipeline {
 public:
  Pipeline(const PipelineParts& parts, const PipelineInput& input, const PipelineObserver& observer,
           const CancelToken& cancel, const CancelToken& work_cancel)
      : parts_(parts),
        input_(input),
        observer_(observer),
        cancel_(cancel),
        work_cancel_(work_cancel),
        schedule_(parts.plan, parts.decoder.info().frame_rate(), input.profile, input.segments),
        segments_(schedule_.segments()),
        services_(MakeServiceCalls(parts.endpoints, parts.timer, parts.metrics, attempts_)),
        dispatcher_(services_, attempts_, work_cancel),
        feeder_(parts.plan, {input.request_id, Facts()}, parts.converter, parts.pool,
                [this](int service, std::shared_ptr<const analysis::Batch> batch) {
                  return dispatcher_.Submit(service, std::move(batch));
                }) {
    parts.decoder.Follow(schedule_);
    for (const PlannedAnalyzer& planned : parts.plan.analyzers) {
      if (planned.status.ok()) alive_.insert(planned.description.name());
    }
  }

  absl::StatusOr<PipelineResult> Run() {
    ASSIGN_OR_RETURN(const int64_t kept_bytes, KeptBytes());
    absl::StatusOr<analysis::FramePool::Reservation> reserved = parts_.pool.Reserve(kept_bytes, work_cancel_);
    RETURN_IF_ERROR(Settle(reserved.status()));
    const absl::Duration declared = analysis::FromProto(parts_.decoder.info().duration());
    if (declared > absl::ZeroDuration()) RETURN_IF_ERROR(CheckSegments(segments_, declared));
    if (work_ended_.ok()) RETURN_IF_ERROR(Settle(DecodeAll()));
    if (!alive_.empty()) RETURN_IF_ERROR(Settle(feeder_.Flush()));
    feeder_.ReleaseFrames();
    reserved = analysis::FramePool::Reservation();
    frames_sent_ = work_ended_.ok();
    // Exact where decoding reached the end, which is the only place where a segment can turn out to be too late.
    const absl::Duration duration = analysis::FromProto(parts_.decoder.info().duration());
    if (duration > absl::ZeroDuration()) RETURN_IF_ERROR(CheckSegments(segments_, duration));
    for (TimeSpan& segment : segments_) segment.end = std::min(segment.end, std::max(duration, last_offset_));
    return Summarize();
  }

 private:
  // Where only `work_cancel` has ended, what is there is kept; the analyzers' own statuses tell.
  absl::Status Settle(const absl::Status& status) {
    if (status.ok()) return status;
    RETURN_IF_ERROR(cancel_.status());
    if (absl::Status ended = work_cancel_.status(); !ended.ok()) {
      work_ended_ = ended;
      return absl::OkStatus();
    }
    return status;
  }

  analyzer::v1::VideoFacts Facts() const {
    const v1::VideoInfo& info = parts_.decoder.info();
    analyzer::v1::VideoFacts facts;
    facts.set_width_px(info.width_px());
    facts.set_height_px(info.height_px());
    facts.set_frame_rate(info.frame_rate());
    *facts.mutable_duration() = info.duration();
    return facts;
  }

  // What the run keeps back: a target and its context, for each analyzer. It must fit the budget, or the run would wait
  // for ever.
  absl::StatusOr<int64_t> KeptBytes() const {
    int64_t bytes = 0;
    for (const PlannedAnalyzer& planned : parts_.plan.analyzers) {
      if (!planned.status.ok()) continue;
      bytes += analysis::ImageBytes(planned.spec.format, parts_.converter.SizeFor(planned.spec)) *
               (1 + std::max(0, planned.description.sampling().context_frames()));
    }
    if (bytes <= parts_.pool.budget_bytes()) return bytes;
    return MakeError(
        absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLarge,
        absl::StrCat("the pictures that the analyzers want of this video take ", bytes,
                     " bytes at once; the frame budget is ", parts_.pool.budget_bytes(), " (frame_budget_bytes)"));
  }

  absl::Status DecodeAll() {
    std::optional<DecodedFrame> frame;
    for (size_t at = 0; at < segments_.size(); ++at) {
      const TimeSpan& segment = segments_[at];
      if (segment.start > absl::ZeroDuration() && (!frame.has_value() || frame->offset < segment.start)) {
        const Stopwatch stopwatch;
        RETURN_IF_ERROR(parts_.decoder.SkipTo(segment.start));
        decode_time_ += stopwatch.elapsed();
        frame.reset();
      }
      while (true) {
        // A frame that ended the segment before may begin this one.
        if (!frame.has_value()) {
          ASSIGN_OR_RETURN(frame, NextFrame());
          if (!frame.has_value()) return absl::OkStatus();
        }
        if (frame->offset >= segment.end) break;
        if (frame->decision.segment == static_cast<int>(at)) RETURN_IF_ERROR(FeedFrame(*frame));
        if (alive_.empty()) return absl::OkStatus();
        frame.reset();
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<DecodedFrame>> NextFrame() {
    RETURN_IF_ERROR(work_cancel_.status());
    const Stopwatch stopwatch;
    absl::StatusOr<std::optional<DecodedFrame>> frame = parts_.decoder.Next();
    decode_time_ += stopwatch.elapsed();
    if (frame.ok() && frame->has_value()) {
      ++frames_decoded_;
      last_offset_ = std::max(last_offset_, (*frame)->offset);
    }
    return frame;
  }

  absl::Status FeedFrame(const DecodedFrame& frame) {
    if (frames_decoded_ % kGiveUpInterval == 0) {
      for (auto it = alive_.begin(); it != alive_.end();) {
        if (dispatcher_.failed(*it)) {
          feeder_.GiveUp(*it);
          it = alive_.erase(it);
        } else {
          ++it;
        }
      }
    }
    RETURN_IF_ERROR(feeder_.Feed(frame, work_cancel_));
    ReportProgress(false);
    return absl::OkStatus();
  }

  void ReportProgress(bool now) {
    if (observer_.on_progress == nullptr || (!now && reported_.has_value() && reported_->elapsed() < kProgressInterval))
      return;
    reported_.emplace();
    const v1::VideoInfo& info = parts_.decoder.info();
    v1::AnalyzeStreamResponse::Progress progress;
    progress.set_frames_decoded(frames_decoded_);
    const double duration = absl::ToDoubleSeconds(analysis::FromProto(info.duration()));
    const double decoded =
        frames_sent_ ? 1.0 : (duration > 0 ? std::min(1.0, absl::ToDoubleSeconds(last_offset_) / duration) : 0.0);
    progress.set_decoded_fraction(static_cast<float>(decoded));
    const std::map<std::string, int64_t> done = dispatcher_.frames_done();
    for (const auto& [name, targets] : feeder_.targets()) {
      v1::AnalyzeStreamResponse::AnalyzerProgress& analyzer = *progress.add_analyzers();
      analyzer.set_analyzer(name);
      const auto it = done.find(name);
      analyzer.set_frames_done(it == done.end() ? 0 : it->second);
      // 1 is left for the moment when its result is there.
      const double share = targets > 0 ? static_cast<double>(analyzer.frames_done()) / targets : 0.0;
      analyzer.set_fraction(answered_.contains(name) ? 1.0F : static_cast<float>(std::min(0.99, share * decoded)));
    }
    observer_.on_progress(progress);
  }

  // Reports, and notes when the last batch is done.
  void WatchBatches() {
    const bool done = !batches_done_.has_value() && dispatcher_.WaitIdle(absl::ZeroDuration()).value_or(false);
    if (done) batches_done_.emplace();
    ReportProgress(done);
  }

  absl::StatusOr<PipelineResult> Summarize() {
    PipelineResult result;
    SummaryStageInput input{.request_id = input_.request_id,
                            .video = Facts(),
                            .segments = {},
                            .profile = input_.profile,
                            .frames_missing = !work_ended_.ok()};
    for (const TimeSpan& segment : segments_) {
      analyzer::v1::Segment& out = input.segments.emplace_back();
      *out.mutable_start_offset() = analysis::ToProto(segment.start);
      *out.mutable_end_offset() = analysis::ToProto(segment.end);
    }
    ReportProgress(true);
    SummaryStageObserver observer;
    observer.on_wait = [this] { WatchBatches(); };
    observer.on_outcome = [this](int place, const AnalyzerOutcome& outcome) {
      if (outcome.status.ok()) answered_.insert(parts_.plan.analyzers[place].description.name());
      if (observer_.on_outcome) observer_.on_outcome(place, outcome);
    };
    result.outcomes = RunSummaries(parts_.plan, input, dispatcher_, services_, work_cancel_, observer);
    RETURN_IF_ERROR(cancel_.status());
    result.summarize_time = batches_done_.has_value() ? batches_done_->elapsed() : absl::ZeroDuration();
    result.segments = segments_;
    result.frames_decoded = frames_decoded_;
    result.sent_bytes = attempts_->sent_bytes();
    result.decode_time = decode_time_;
    result.feeder = feeder_.stats();
    return result;
  }

  const PipelineParts& parts_;
  const PipelineInput& input_;
  const PipelineObserver& observer_;
  const CancelToken cancel_;
  const CancelToken work_cancel_;
  FrameSchedule schedule_;
  // Those of the schedule, in the end cut to the video.
  std::vector<TimeSpan> segments_;
  const std::shared_ptr<AttemptLog> attempts_ = std::make_shared<AttemptLog>();
  const std::vector<ServiceCall> services_;
  BatchDispatcher dispatcher_;
  FrameFeeder feeder_;
  // Analyzers that are neither given up nor left out.
  std::set<std::string> alive_;
  // Analyzers that have answered.
  std::set<std::string> answered_;
  absl::Status work_ended_;
  // Every frame that could be handed out was.
  bool frames_sent_ = false;
  // Runs from the moment when the last batch was done.
  std::optional<Stopwatch> batches_done_;
  int64_t frames_decoded_ = 0;
  absl::Duration last_offset_;
  absl::Duration decode_time_;
  // Runs from the last report of progress.
  std::optional<Stopwatch> reported_;
};

}  // namespace

absl::StatusOr<PipelineResult> RunPipeline(const PipelineParts& parts, const PipelineInput& input,
                                           const PipelineObserver& observer, const CancelToken& cancel,
                                           const CancelToken& work_cancel) {
  absl::StatusOr<PipelineResult> result =
      OrOutOfMemory("analysing the video", [&] { return Pipeline(parts, input, observer, cancel, work_cancel).Run(); });
  if (!result.ok()) work_cancel.Cancel(result.status());
  return result;
}

}  // namespace reelsight::orchestrator
