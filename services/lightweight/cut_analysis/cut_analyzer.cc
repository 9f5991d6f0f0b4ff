// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/cut_analyzer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "services/lightweight/cut_analysis/cut_payload.h"
#include "services/lightweight/cut_analysis/frame_features.h"
#include "services/lightweight/cut_analysis/shot_list.h"
#include "services/lightweight/cut_analysis/thumbnail.h"
#include "services/lightweight/cut_analysis/transition_detector.h"
#include "services/lightweight/cut_analysis/transnet.h"
#include "shared/analysis/proto_time.h"
#include "shared/service/model_description.h"

namespace reelsight::cut_analysis {
namespace {

using analysis::FromProto;
using analysis::ToProto;
using v1::CutAnalysisOptions;
using v1::CutAnalysisResult;

constexpr char kName[] = "cut_analysis";
constexpr char kModelVersion[] = "1";
// Frames whose thumbnails, 3.9 KB each, are kept until Summarize: 10 minutes at 30 frames a second.
constexpr int kMaxNeuralFrames = 18000;
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

// The analysed frames of one segment.
struct SegmentFrames {
  Span segment;
  std::vector<absl::Duration> offsets;
  std::vector<FrameFeatures> features;
  // Borrowed from the request.
  std::vector<std::string_view> payloads;
  // True if every frame has a thumbnail.
  bool has_thumbnails = true;

  // Time at which frame `index` begins; the segment's end for one past the last.
  absl::Duration StartOf(int index) const {
    if (index >= static_cast<int>(offsets.size())) return segment.end;
    return std::clamp(offsets[static_cast<size_t>(index)], segment.start, segment.end);
  }
};

// Deals the frames out to the segments. Frames before a segment belong to none; those at or after its end to a later
// one.
absl::StatusOr<std::vector<SegmentFrames>> ReadFrames(const analyzer::v1::SummarizeRequest& request) {
  std::vector<SegmentFrames> segments;
  int next = 0;
  for (const analyzer::v1::Segment& segment : request.segments()) {
    SegmentFrames& frames = segments.emplace_back();
    frames.segment = {FromProto(segment.start_offset()), FromProto(segment.end_offset())};
    for (; next < request.results_size(); ++next) {
      const absl::Duration offset = FromProto(request.results(next).offset());
      if (offset >= frames.segment.end) break;
      if (offset < frames.segment.start) continue;
      const std::string_view payload = request.results(next).payload();
      ASSIGN_OR_RETURN(CutFrame frame, DecodeFrame(payload));
      frames.offsets.push_back(offset);
      frames.features.push_back(std::move(frame.features));
      frames.payloads.push_back(payload);
      frames.has_thumbnails = frames.has_thumbnails && frame.has_thumbnail;
    }
  }
  return segments;
}

// Which detector is to run.
struct Choice {
  // Empty: the classical one.
  std::string neural_model;
  // Why it is the classical one though nobody asked for that; empty: somebody did, or it is not.
  std::string warning;
};

class CutAnalyzer final : public analysis::Analyzer {
 public:
  explicit CutAnalyzer(inference::ModelSource* models) : models_(models) {}

  analyzer::v1::AnalyzerDescription Describe() const override;
  absl::StatusOr<std::vector<std::string>> AnalyzeFrames(const analysis::BatchView& view,
                                                         const CancelToken& cancel) override;
  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) override;

 private:
  // The name of the neural detector, whether it is installed or not; empty if the catalogue has none.
  absl::StatusOr<std::string> NeuralModel(const CutAnalysisOptions& options) const;
  // By options, weights, and the video's length as `frame_count` or its facts say it. FAILED_PRECONDITION,
  // WEIGHTS_MISSING, or INVALID_ARGUMENT, VIDEO_TOO_LONG, if the neural one is asked for and cannot be had.
  absl::StatusOr<Choice> Choose(const CutAnalysisOptions& options, const analyzer::v1::VideoFacts& video) const;
  // What the network says of the frames of each segment. Empty, with `choice` turned to the classical detector, if it
  // fails and was not asked for. Counts in `response` whether it had to be loaded.
  absl::StatusOr<std::vector<ShotProbabilities>> RunNetwork(const std::string& request_id,
                                                            const CutAnalysisOptions& options,
                                                            const std::vector<SegmentFrames>& segments, Choice& choice,
                                                            analyzer::v1::SummarizeResponse& response,
                                                            const CancelToken& cancel) const;

  inference::ModelSource* const models_;
};

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
  *description.add_models() = analysis::ClassicalModel(kModelVersion);
  description.set_available(true);
  if (const absl::StatusOr<std::string> neural = NeuralModel({}); neural.ok() && !neural->empty()) {
    *description.add_models() = service::DescribeModel(*models_, **models_->Entry(*neural));
    const absl::Status installed = models_->Installed(*neural);
    description.set_unavailable_reason(installed.ok()
                                           ? service::OnCpuBesideGpu(*models_, {*neural})
                                           : absl::StrCat("only the classical detector: ", installed.message()));
  }
  return description;
}

absl::StatusOr<std::string> CutAnalyzer::NeuralModel(const CutAnalysisOptions& options) const {
  if (models_ == nullptr) return std::string();
  if (!options.model().empty()) {
    ASSIGN_OR_RETURN(const config::v1::ModelEntry* const entry, models_->Entry(options.model()));
    if (entry->task() != kName) {
      return InvalidField("cut_analysis.model", absl::StrCat(options.model(), " is a model of ", entry->task()));
    }
    return options.model();
  }
  const config::v1::ModelEntry* const entry = models_->DefaultFor(kName, "");
  return entry == nullptr ? std::string() : entry->name();
}

absl::StatusOr<Choice> CutAnalyzer::Choose(const CutAnalysisOptions& options,
                                           const analyzer::v1::VideoFacts& video) const {
  if (!CutAnalysisOptions::Method_IsValid(options.method())) {
    return InvalidField("cut_analysis.method", absl::StrCat("unknown value ", static_cast<int>(options.method())));
  }
  ASSIGN_OR_RETURN(std::string model, NeuralModel(options));
  if (options.method() == CutAnalysisOptions::CLASSICAL) return Choice{};
  absl::Status problem;
  const double frame_count = absl::ToDoubleSeconds(FromProto(video.duration())) * video.frame_rate();
  if (model.empty()) {
    problem = MakeError(absl::StatusCode::kFailedPrecondition, Reason::kWeightsMissing,
                        "cut_analysis: this program has no neural detector; use method CLASSICAL or leave it out");
  } else if (frame_count > kMaxNeuralFrames) {
    problem = InvalidArgument(
        Reason::kVideoTooLong,
        absl::StrFormat(
            "cut_analysis: the neural detector takes videos of up to %d frames, this one has about %.0f; use "
            "method CLASSICAL or leave it out",
            kMaxNeuralFrames, frame_count));
  } else {
    problem = models_->Installed(model);
  }
  if (problem.ok()) return Choice{std::move(model), ""};
  if (options.method() == CutAnalysisOptions::NEURAL) return problem;
  // Nothing is amiss where there is nothing to be had.
  if (model.empty()) return Choice{};
  return Choice{"", absl::StrCat("the classical detector was used: ", problem.message())};
}

absl::StatusOr<std::vector<std::string>> CutAnalyzer::AnalyzeFrames(const analysis::BatchView& view,
                                                                    const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const auto options, analysis::UnpackOptions<CutAnalysisOptions>(*view.options));
  ASSIGN_OR_RETURN(const Choice choice,
                   Choose(options, view.video == nullptr ? analyzer::v1::VideoFacts() : *view.video));
  std::vector<std::string> payloads;
  payloads.reserve(view.items.size());
  for (const analysis::BatchView::Item& item : view.items) {
    if (!item.target) continue;
    RETURN_IF_ERROR(cancel.status());
    const analysis::Image& image = *item.frame->image;
    if (image.format() != analysis::PixelFormat::kI420) {
      return InvalidArgument(Reason::kBadFrame, "cut_analysis: frames must be I420, as Describe says");
    }
    const I420View planes{image.plane(0), image.plane(1), image.plane(2), image.width_px(), image.height_px()};
    payloads.push_back(
        EncodeFrame(ExtractFeatures(planes), choice.neural_model.empty() ? std::string() : MakeThumbnail(planes)));
  }
  return payloads;
}

absl::StatusOr<std::vector<ShotProbabilities>> CutAnalyzer::RunNetwork(
    const std::string& request_id, const CutAnalysisOptions& options, const std::vector<SegmentFrames>& segments,
    Choice& choice, analyzer::v1::SummarizeResponse& response, const CancelToken& cancel) const {
  const auto run = [&]() -> absl::StatusOr<std::vector<ShotProbabilities>> {
    ASSIGN_OR_RETURN(const inference::PinnedModel model,
                     service::AcquireFor(response, *models_, choice.neural_model, cancel));
    std::vector<ThumbnailSeries> series;
    for (const SegmentFrames& frames : segments) {
      if (!frames.has_thumbnails) {
        return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kWeightsMissing,
                         "cut_analysis: some frames were analysed by a replica without the weights of the neural "
                         "detector; install them on all replicas");
      }
      series.push_back({static_cast<int>(frames.payloads.size()),
                        [&frames](int index) { return ThumbnailOf(frames.payloads[static_cast<size_t>(index)]); }});
    }
    return RunTransNetOnSeries(*model, series, request_id, cancel);
  };
  absl::StatusOr<std::vector<ShotProbabilities>> probabilities = run();
  if (probabilities.ok() || options.method() == CutAnalysisOptions::NEURAL) return probabilities;
  RETURN_IF_ERROR(cancel.status());
  choice = {"", absl::StrCat("the classical detector was used: ", probabilities.status().message())};
  return std::vector<ShotProbabilities>(segments.size());
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
  ASSIGN_OR_RETURN(Choice choice, Choose(options, request.video()));
  if (request.segments().empty()) return InvalidField("segments", "at least one is needed");
  DetectionOptions detection;
  if (options.has_sensitivity()) detection.sensitivity = options.sensitivity();
  detection.hard_cuts_only = options.hard_cuts_only();
  const absl::Duration min_shot = options.has_min_shot() ? FromProto(options.min_shot()) : kDefaultMinShot;
  if (request.sample_fps() > 0 && options.method() != CutAnalysisOptions::NEURAL) choice = {};

  ASSIGN_OR_RETURN(std::vector<SegmentFrames> segments, ReadFrames(request));
  analyzer::v1::SummarizeResponse response;
  std::vector<ShotProbabilities> probabilities(segments.size());
  if (!choice.neural_model.empty()) {
    ASSIGN_OR_RETURN(probabilities, RunNetwork(request.request_id(), options, segments, choice, response, cancel));
  }

  CutAnalysisResult result;
  result.set_method(choice.neural_model.empty() ? CutAnalysisOptions::CLASSICAL : CutAnalysisOptions::NEURAL);
  std::vector<analyzer::v1::TimelineEntry> timeline;
  std::vector<Span> all_shots;
  for (size_t i = 0; i < segments.size(); ++i) {
    SegmentFrames& frames = segments[i];
    ASSIGN_OR_RETURN(const std::vector<Transition> found,
                     FindTransitions(frames.offsets, std::move(frames.features), detection, probabilities[i], cancel));
    std::vector<TimedTransition> transitions;
    for (const Transition& transition : found) {
      transitions.push_back(
          {transition.kind, frames.StartOf(transition.first), frames.StartOf(transition.end), transition.score});
    }
    transitions = DropShortShots(std::move(transitions), min_shot);
    const std::vector<Span> shots = MakeShots(frames.segment, transitions);
    AddTransitions(transitions, result, timeline);
    AddShots(shots, result, timeline);
    all_shots.insert(all_shots.end(), shots.begin(), shots.end());
  }
  const Pace pace = MeasurePace(all_shots, request.segments_size());
  result.mutable_pace()->set_cuts_per_minute(static_cast<float>(pace.cuts_per_minute));
  *result.mutable_pace()->mutable_mean_shot() = ToProto(pace.mean_shot);
  *result.mutable_pace()->mutable_median_shot() = ToProto(pace.median_shot);

  response.mutable_typed()->PackFrom(result);
  std::stable_sort(timeline.begin(), timeline.end(), [](const auto& a, const auto& b) {
    return FromProto(a.start_offset()) < FromProto(b.start_offset());
  });
  for (analyzer::v1::TimelineEntry& entry : timeline) *response.add_timeline() = std::move(entry);
  response.set_headline(absl::StrFormat("%d %s, %.3g cuts a minute", all_shots.size(),
                                        all_shots.size() == 1 ? "shot" : "shots", pace.cuts_per_minute));
  response.set_warning(choice.warning);
  if (choice.neural_model.empty()) {
    *response.mutable_model() = analysis::ClassicalModel(kModelVersion);
  } else {
    RETURN_IF_ERROR(service::SetModels(*models_, {choice.neural_model}, &response));
  }
  return response;
}

}  // namespace

std::unique_ptr<analysis::Analyzer> MakeCutAnalyzer(inference::ModelSource* models) {
  return std::make_unique<CutAnalyzer>(models);
}

}  // namespace reelsight::cut_analysis
