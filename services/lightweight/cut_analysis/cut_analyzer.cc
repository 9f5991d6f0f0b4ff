// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/cut_analyzer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "services/lightweight/cut_analysis/classical_detector.h"
#include "services/lightweight/cut_analysis/shot_list.h"

namespace reelsight::cut_analysis {
namespace {

using analysis::FromProto;
using analysis::ToProto;
using v1::CutAnalysisOptions;
using v1::CutAnalysisResult;

constexpr char kName[] = "cut_analysis";
constexpr absl::Duration kDefaultMinShot = absl::Milliseconds(100);

CutAnalysisResult::Transition::Kind ProtoKind(TransitionKind kind) {
  switch (kind) {
    case TransitionKind::kHardCut:
      return CutAnalysisResult::Transition::HARD_CUT;
    case TransitionKind::kDissolve:
      return CutAnalysisResult::Transition::DISSOLVE;
    case TransitionKind::kFadeIn:
      return CutAnalysisResult::Transition::FADE_IN;
    case TransitionKind::kFadeOut:
      return CutAnalysisResult::Transition::FADE_OUT;
    case TransitionKind::kWipe:
      return CutAnalysisResult::Transition::WIPE;
  }
  return CutAnalysisResult::Transition::KIND_UNSPECIFIED;
}

const char* Label(TransitionKind kind) {
  switch (kind) {
    case TransitionKind::kHardCut:
      return "hard cut";
    case TransitionKind::kDissolve:
      return "dissolve";
    case TransitionKind::kFadeIn:
      return "fade in";
    case TransitionKind::kFadeOut:
      return "fade out";
    case TransitionKind::kWipe:
      return "wipe";
  }
  return "";
}

// Time at which frame `index` of `frames` begins; the segment's end for one past the last.
absl::Duration StartOf(std::span<const FrameRecord> frames, int index, const Span& segment) {
  if (index >= static_cast<int>(frames.size())) return segment.end;
  return std::clamp(frames[index].offset, segment.start, segment.end);
}

class CutAnalyzer final : public analysis::Analyzer {
 public:
  explicit CutAnalyzer(std::unique_ptr<TransitionDetector> classical) : classical_(std::move(classical)) {}

  analyzer::v1::AnalyzerDescription Describe() const override;
  absl::StatusOr<std::vector<std::string>> AnalyzeFrames(const analysis::BatchView& view,
                                                         const CancelToken& cancel) override;
  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) override;

 private:
  // FAILED_PRECONDITION, WEIGHTS_MISSING, for a method whose detector is not there.
  absl::StatusOr<const TransitionDetector*> DetectorFor(CutAnalysisOptions::Method method) const;

  const std::unique_ptr<TransitionDetector> classical_;
};

analyzer::v1::Model ClassicalModel() {
  analyzer::v1::Model model;
  model.set_name("classical");
  model.set_version("1");
  model.set_license("Apache-2.0");
  return model;
}

analyzer::v1::AnalyzerDescription CutAnalyzer::Describe() const {
  analyzer::v1::AnalyzerDescription description;
  description.set_name(kName);
  description.set_description("Hard cuts, dissolves and fades, the shots between them, and the pace of the editing");
  description.mutable_frame_spec()->set_format(analyzer::v1::PIXEL_FORMAT_I420);
  description.mutable_frame_spec()->set_max_side_px(160);
  description.mutable_sampling()->set_sample_fps(0);
  description.mutable_sampling()->set_reference_min_interval(5);
  description.mutable_sampling()->set_reference_divisor(6);
  description.set_batch_frames(32);
  description.set_options_type(CutAnalysisOptions::descriptor()->full_name());
  description.set_result_type(CutAnalysisResult::descriptor()->full_name());
  *description.add_models() = ClassicalModel();
  description.set_available(true);
  return description;
}

absl::StatusOr<const TransitionDetector*> CutAnalyzer::DetectorFor(CutAnalysisOptions::Method method) const {
  switch (method) {
    case CutAnalysisOptions::METHOD_UNSPECIFIED:
    case CutAnalysisOptions::CLASSICAL:
      return classical_.get();
    case CutAnalysisOptions::NEURAL:
      return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kWeightsMissing,
                       "cut_analysis: the neural detector is not installed; use method CLASSICAL or leave it out");
    default:
      break;
  }
  return InvalidField("cut_analysis.method", absl::StrCat("unknown value ", static_cast<int>(method)));
}

absl::StatusOr<std::vector<std::string>> CutAnalyzer::AnalyzeFrames(const analysis::BatchView& view,
                                                                    const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const auto options, analysis::UnpackOptions<CutAnalysisOptions>(*view.options));
  ASSIGN_OR_RETURN(const TransitionDetector* const detector, DetectorFor(options.method()));
  std::vector<std::string> payloads;
  payloads.reserve(view.items.size());
  for (const analysis::BatchView::Item& item : view.items) {
    if (!item.target) continue;
    RETURN_IF_ERROR(cancel.status());
    const analysis::Image& image = *item.frame->image;
    if (image.format() != analysis::PixelFormat::kI420) {
      return InvalidArgument(Reason::kBadFrame, "cut_analysis: frames must be I420, as Describe says");
    }
    payloads.push_back(
        detector->Extract({image.plane(0), image.plane(1), image.plane(2), image.width_px(), image.height_px()}));
  }
  return payloads;
}

void AddTransitions(std::span<const TimedTransition> transitions, CutAnalysisResult& result,
                    std::vector<analyzer::v1::TimelineEntry>& timeline) {
  for (const TimedTransition& transition : transitions) {
    CutAnalysisResult::Transition& out = *result.add_transitions();
    out.set_kind(ProtoKind(transition.kind));
    *out.mutable_start_offset() = ToProto(transition.start);
    *out.mutable_end_offset() = ToProto(transition.end);
    out.set_score(transition.score);
    analyzer::v1::TimelineEntry& entry = timeline.emplace_back();
    entry.set_label(Label(transition.kind));
    *entry.mutable_start_offset() = out.start_offset();
    *entry.mutable_end_offset() = out.end_offset();
    entry.set_score(transition.score);
  }
}

void AddShots(std::span<const Span> shots, CutAnalysisResult& result,
              std::vector<analyzer::v1::TimelineEntry>& timeline) {
  for (const Span& shot : shots) {
    CutAnalysisResult::Shot& out = *result.add_shots();
    *out.mutable_start_offset() = ToProto(shot.start);
    *out.mutable_end_offset() = ToProto(shot.end);
    analyzer::v1::TimelineEntry& entry = timeline.emplace_back();
    entry.set_kind(analyzer::v1::TimelineEntry::KIND_SHOT);
    entry.set_label(absl::StrCat("shot ", result.shots_size()));
    *entry.mutable_start_offset() = out.start_offset();
    *entry.mutable_end_offset() = out.end_offset();
    entry.set_score(1);
  }
}

absl::StatusOr<analyzer::v1::SummarizeResponse> CutAnalyzer::Summarize(const analyzer::v1::SummarizeRequest& request,
                                                                       const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const auto options, analysis::UnpackOptions<CutAnalysisOptions>(request.options()));
  ASSIGN_OR_RETURN(const TransitionDetector* const detector, DetectorFor(options.method()));
  if (request.segments().empty()) return InvalidField("segments", "at least one is needed");
  DetectionOptions detection;
  if (options.has_sensitivity()) detection.sensitivity = options.sensitivity();
  detection.hard_cuts_only = options.hard_cuts_only();
  const absl::Duration min_shot = options.has_min_shot() ? FromProto(options.min_shot()) : kDefaultMinShot;

  CutAnalysisResult result;
  result.set_method(CutAnalysisOptions::CLASSICAL);
  std::vector<analyzer::v1::TimelineEntry> timeline;
  std::vector<Span> all_shots;
  int next = 0;
  for (const analyzer::v1::Segment& proto_segment : request.segments()) {
    const Span segment{FromProto(proto_segment.start_offset()), FromProto(proto_segment.end_offset())};
    // Frames before the segment belong to none; those at or after its end to a later one.
    std::vector<FrameRecord> frames;
    for (; next < request.results_size(); ++next) {
      const absl::Duration offset = FromProto(request.results(next).offset());
      if (offset >= segment.end) break;
      if (offset >= segment.start) frames.push_back({offset, request.results(next).payload()});
    }
    ASSIGN_OR_RETURN(const std::vector<Transition> found, detector->Detect(frames, detection, cancel));
    std::vector<TimedTransition> transitions;
    for (const Transition& transition : found) {
      transitions.push_back({transition.kind, StartOf(frames, transition.first, segment),
                             StartOf(frames, transition.end, segment), transition.score});
    }
    transitions = DropShortShots(std::move(transitions), min_shot);
    const std::vector<Span> shots = MakeShots(segment, transitions);
    AddTransitions(transitions, result, timeline);
    AddShots(shots, result, timeline);
    all_shots.insert(all_shots.end(), shots.begin(), shots.end());
  }
  const Pace pace = MeasurePace(all_shots, request.segments_size());
  result.mutable_pace()->set_cuts_per_minute(static_cast<float>(pace.cuts_per_minute));
  *result.mutable_pace()->mutable_mean_shot() = ToProto(pace.mean_shot);
  *result.mutable_pace()->mutable_median_shot() = ToProto(pace.median_shot);

  analyzer::v1::SummarizeResponse response;
  response.mutable_typed()->PackFrom(result);
  std::stable_sort(timeline.begin(), timeline.end(), [](const auto& a, const auto& b) {
    return FromProto(a.start_offset()) < FromProto(b.start_offset());
  });
  for (analyzer::v1::TimelineEntry& entry : timeline) *response.add_timeline() = std::move(entry);
  response.set_headline(absl::StrFormat("%d %s, %.3g cuts a minute", all_shots.size(),
                                        all_shots.size() == 1 ? "shot" : "shots", pace.cuts_per_minute));
  *response.mutable_model() = ClassicalModel();
  return response;
}

}  // namespace

std::unique_ptr<analysis::Analyzer> MakeCutAnalyzer() {
  return std::make_unique<CutAnalyzer>(std::make_unique<ClassicalDetector>());
}

}  // namespace reelsight::cut_analysis
