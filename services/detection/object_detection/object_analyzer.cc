// SPDX-License-Identifier: Apache-2.0
#include "services/detection/object_detection/object_analyzer.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "reelsight/v1/object_detection.pb.h"
#include "services/detection/object_detection/detection_payload.h"
#include "services/detection/object_detection/detector_head.h"
#include "services/detection/tracking/byte_tracker.h"
#include "shared/base/status.h"
#include "shared/inference/image_tensor.h"
#include "shared/service/model_description.h"

namespace reelsight::object_detection {
namespace {

using config::v1::ModelEntry;
using inference::Detection;
using v1::ObjectDetectionOptions;
using v1::ObjectDetectionResult;

constexpr char kName[] = "object_detection";
// Weaker boxes are not even kept to carry tracks.
constexpr float kLowScore = 0.1F;
constexpr float kDefaultMinScore = 0.5F;
constexpr double kSampleFps = 3;

absl::StatusOr<const ModelEntry*> ModelFor(const inference::ModelSource& models,
                                           const ObjectDetectionOptions& options) {
  if (!options.model().empty()) {
    ASSIGN_OR_RETURN(const ModelEntry* const entry, models.Entry(options.model()));
    if (entry->task() == kName) return entry;
    return InvalidField("options.object_detection.model",
                        absl::StrCat(entry->name(), " is for ", entry->task(), ", not for ", kName));
  }
  if (const ModelEntry* const entry = models.DefaultFor(kName, ""); entry != nullptr) return entry;
  return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kWeightsMissing,
                   "the catalogue names no default model for object_detection");
}

absl::StatusOr<std::unique_ptr<DetectorHead>> HeadFor(const ModelEntry& entry) {
  absl::StatusOr<std::unique_ptr<DetectorHead>> head =
      MakeDetectorHead(entry.family(), {.width_px = entry.input().width_px(),
                                        .height_px = entry.input().height_px(),
                                        .class_count = entry.labels_size(),
                                        .min_score = kLowScore});
  if (!head.ok()) return Annotate(head.status(), absl::StrCat("model ", entry.name()));
  return head;
}

// Starts of shots that no gradual transition hides: where tracks end.
std::vector<absl::Duration> Cuts(const analyzer::v1::SummarizeRequest& request) {
  std::vector<absl::Duration> cuts;
  const auto result = analysis::DependencyResult<v1::CutAnalysisResult>(request, "cut_analysis");
  if (result == nullptr) return cuts;
  for (const v1::CutAnalysisResult::Shot& shot : result->shots()) {
    cuts.push_back(analysis::FromProto(shot.start_offset()));
  }
  return cuts;
}

std::string LabelOf(const ModelEntry& entry, int label) {
  if (label >= 0 && label < entry.labels_size() && !entry.labels(label).empty()) return entry.labels(label);
  return absl::StrCat("class ", label);
}

void SetBox(const inference::Box& box, v1::NormalizedBox* out) {
  out->set_left(box.left);
  out->set_top(box.top);
  out->set_right(box.right);
  out->set_bottom(box.bottom);
}

// `2 persons`, `1 bus`.
std::string Counted(int count, const std::string& label) {
  if (count == 1) return absl::StrCat("1 ", label);
  if (label == "person") return absl::StrCat(count, " people");
  const bool hisses = !label.empty() && (label.back() == 's' || label.back() == 'x' || label.back() == 'h');
  return absl::StrCat(count, " ", label, hisses ? "es" : "s");
}

void FillCounts(ObjectDetectionResult* result) {
  struct Count {
    int tracks = 0;
    std::map<absl::Duration, int> at;
  };
  std::map<std::string, Count> counts;
  for (const ObjectDetectionResult::Track& track : result->tracks()) {
    Count& count = counts[track.label()];
    ++count.tracks;
    for (const auto& observation : track.observations()) ++count.at[analysis::FromProto(observation.offset())];
  }
  for (const auto& [label, count] : counts) {
    ObjectDetectionResult::Count& out = *result->add_counts();
    out.set_label(label);
    out.set_tracks(count.tracks);
    for (const auto& [offset, at_once] : count.at) out.set_most_at_once(std::max(out.most_at_once(), at_once));
  }
  std::stable_sort(result->mutable_counts()->begin(), result->mutable_counts()->end(),
                   [](const auto& a, const auto& b) { return a.tracks() > b.tracks(); });
}

class ObjectAnalyzer final : public analysis::Analyzer {
 public:
  explicit ObjectAnalyzer(inference::ModelSource& models) : models_(models) {}

  analyzer::v1::AnalyzerDescription Describe() const override {
    analyzer::v1::AnalyzerDescription description;
    description.set_name(kName);
    description.set_description("Objects, with their tracks and counts");
    description.mutable_frame_spec()->set_format(analyzer::v1::PIXEL_FORMAT_RGB24);
    description.mutable_frame_spec()->set_max_side_px(640);
    description.mutable_sampling()->set_sample_fps(kSampleFps);
    description.mutable_sampling()->set_reference_min_interval(10);
    description.mutable_sampling()->set_reference_divisor(3);
    description.set_batch_frames(8);
    analyzer::v1::Dependency& dependency = *description.add_depends_on();
    dependency.set_analyzer("cut_analysis");
    dependency.set_optional(true);
    description.set_options_type(ObjectDetectionOptions::descriptor()->full_name());
    description.set_result_type(ObjectDetectionResult::descriptor()->full_name());
    const absl::StatusOr<const ModelEntry*> entry = ModelFor(models_, {});
    if (entry.ok()) {
      service::DescribeModels(models_, {(*entry)->name()}, &description);
    } else {
      description.set_unavailable_reason(std::string(entry.status().message()));
    }
    return description;
  }

  absl::StatusOr<std::vector<std::string>> AnalyzeFrames(const analysis::BatchView& view,
                                                         const CancelToken& cancel) override {
    ASSIGN_OR_RETURN(const auto options, analysis::UnpackOptions<ObjectDetectionOptions>(*view.options));
    ASSIGN_OR_RETURN(const ModelEntry* const entry, ModelFor(models_, options));
    ASSIGN_OR_RETURN(const std::unique_ptr<DetectorHead> head, HeadFor(*entry));
    ASSIGN_OR_RETURN(const inference::PinnedModel model, service::AcquireFor(view, models_, entry->name(), cancel));
    const inference::ImageTensorOptions input = inference::WithCatalogInput(head->input(), entry->input());
    std::vector<inference::Sample> samples;
    std::vector<inference::Affine> places;
    for (const analysis::BatchView::Item& item : view.items) {
      if (!item.target) continue;
      RETURN_IF_ERROR(cancel.status());
      ASSIGN_OR_RETURN(inference::PlacedTensor placed, inference::ToTensor(*item.frame->image, input));
      places.push_back(placed.to_picture);
      samples.push_back({std::move(placed.tensor)});
    }
    ASSIGN_OR_RETURN(const std::vector<inference::Sample> outputs,
                     model->Run(view.request_id, std::move(samples), cancel));
    std::vector<std::string> payloads;
    for (size_t i = 0; i < outputs.size(); ++i) {
      absl::StatusOr<std::vector<Detection>> detections = head->Decode(outputs[i], places[i]);
      if (!detections.ok()) return Annotate(detections.status(), absl::StrCat("model ", entry->name()));
      payloads.push_back(EncodeDetections(*detections));
    }
    return payloads;
  }

  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) override {
    ASSIGN_OR_RETURN(const auto options, analysis::UnpackOptions<ObjectDetectionOptions>(request.options()));
    ASSIGN_OR_RETURN(const ModelEntry* const entry, ModelFor(models_, options));
    std::vector<tracking::TrackedFrame> frames;
    for (const analyzer::v1::FrameResult& result : request.results()) {
      RETURN_IF_ERROR(cancel.status());
      ASSIGN_OR_RETURN(std::vector<Detection> detections, DecodeDetections(result.payload()));
      frames.push_back({analysis::FromProto(result.offset()), std::move(detections)});
    }
    const float model_score = entry->has_min_score() ? entry->min_score() : kDefaultMinScore;
    const float min_score = options.has_min_score() ? options.min_score() : model_score;
    const double fps = request.sample_fps() > 0 ? request.sample_fps() : request.video().frame_rate();
    tracking::TrackerOptions tracker;
    tracker.high_score = std::max(min_score, kLowScore);
    tracker.low_score = std::min(kLowScore, min_score);
    // A brief miss is two samples, but not less than half a second.
    tracker.max_gap = absl::Seconds(std::max(0.5, fps > 0 ? 3.5 / fps : 1.0));
    ObjectDetectionResult result;
    FillTracks(*entry, options, frames, tracking::TrackBoxes(frames, Cuts(request), tracker), &result);
    FillCounts(&result);
    analyzer::v1::SummarizeResponse response = Respond(result, absl::Seconds(fps > 0 ? 1 / fps : 0), request);
    RETURN_IF_ERROR(service::SetModels(models_, {entry->name()}, &response));
    return response;
  }

 private:
  static void FillTracks(const ModelEntry& entry, const ObjectDetectionOptions& options,
                         const std::vector<tracking::TrackedFrame>& frames, const std::vector<tracking::Track>& tracks,
                         ObjectDetectionResult* result) {
    const std::set<std::string> wanted(options.labels().begin(), options.labels().end());
    for (const tracking::Track& track : tracks) {
      const std::string label = LabelOf(entry, track.label);
      if (!wanted.empty() && !wanted.contains(label)) continue;
      ObjectDetectionResult::Track& out = *result->add_tracks();
      out.set_track_id(result->tracks_size());
      out.set_label(label);
      out.set_score(track.score);
      for (const tracking::Track::Observation& seen : track.observations) {
        const tracking::TrackedFrame& frame = frames[static_cast<size_t>(seen.frame)];
        const Detection& detection = frame.detections[static_cast<size_t>(seen.detection)];
        ObjectDetectionResult::Observation& observation = *out.add_observations();
        *observation.mutable_offset() = analysis::ToProto(frame.offset);
        SetBox(detection.box, observation.mutable_box());
        observation.set_score(detection.score);
      }
      *out.mutable_first_offset() = out.observations(0).offset();
      *out.mutable_last_offset() = out.observations().rbegin()->offset();
    }
  }

  static analyzer::v1::SummarizeResponse Respond(const ObjectDetectionResult& result, absl::Duration interval,
                                                 const analyzer::v1::SummarizeRequest& request) {
    analyzer::v1::SummarizeResponse response;
    const absl::Duration end = request.segments().empty()
                                   ? absl::InfiniteDuration()
                                   : analysis::FromProto(request.segments().rbegin()->end_offset());
    for (const ObjectDetectionResult::Track& track : result.tracks()) {
      analyzer::v1::TimelineEntry& line = *response.add_timeline();
      line.set_label(track.label());
      line.set_score(track.score());
      *line.mutable_start_offset() = track.first_offset();
      // It is there until the next sample does not show it.
      *line.mutable_end_offset() =
          analysis::ToProto(std::min(end, analysis::FromProto(track.last_offset()) + interval));
    }
    std::string headline;
    for (int i = 0; i < std::min(5, result.counts_size()); ++i) {
      absl::StrAppend(&headline, i == 0 ? "" : ", ", Counted(result.counts(i).tracks(), result.counts(i).label()));
    }
    if (const int more = result.counts_size() - 5; more > 0) {
      absl::StrAppend(&headline, " and ", more, more == 1 ? " more kind" : " more kinds");
    }
    response.set_headline(headline.empty() ? "no objects" : headline);
    response.mutable_typed()->PackFrom(result);
    return response;
  }

  inference::ModelSource& models_;
};

}  // namespace

std::unique_ptr<analysis::Analyzer> MakeObjectAnalyzer(inference::ModelSource& models) {
  return std::make_unique<ObjectAnalyzer>(models);
}

}  // namespace reelsight::object_detection
