// SPDX-License-Identifier: Apache-2.0
#include "services/detection/body_pose/pose_analyzer.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "reelsight/v1/body_pose.pb.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "services/detection/body_pose/closer_look.h"
#include "services/detection/body_pose/pose.h"
#include "services/detection/body_pose/pose_head.h"
#include "services/detection/tracking/byte_tracker.h"
#include "shared/base/status.h"
#include "shared/inference/image_tensor.h"
#include "shared/service/model_description.h"

namespace reelsight::body_pose {
namespace {

using config::v1::ModelEntry;
using v1::BodyPoseOptions;
using v1::BodyPoseResult;

constexpr char kName[] = "body_pose";
constexpr float kLowScore = 0.1F;
constexpr float kDefaultMinScore = 0.25F;
constexpr double kSampleFps = 6;

absl::StatusOr<const ModelEntry*> ModelFor(const inference::ModelSource& models, const BodyPoseOptions& options) {
  if (!options.model().empty()) {
    ASSIGN_OR_RETURN(const ModelEntry* const entry, models.Entry(options.model()));
    if (entry->task() == kName) return entry;
    return InvalidField("options.body_pose.model",
                        absl::StrCat(entry->name(), " is for ", entry->task(), ", not for ", kName));
  }
  if (const ModelEntry* const entry = models.DefaultFor(kName, ""); entry != nullptr) return entry;
  return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kWeightsMissing,
                   "the catalogue names no default model for body_pose");
}

absl::StatusOr<std::unique_ptr<PoseHead>> HeadFor(const ModelEntry& entry) {
  absl::StatusOr<std::unique_ptr<PoseHead>> head = MakePoseHead(
      entry.family(),
      {.width_px = entry.input().width_px(), .height_px = entry.input().height_px(), .min_score = kLowScore});
  if (!head.ok()) return Annotate(head.status(), absl::StrCat("model ", entry.name()));
  return head;
}

std::vector<absl::Duration> Cuts(const analyzer::v1::SummarizeRequest& request) {
  std::vector<absl::Duration> cuts;
  const auto result = analysis::DependencyResult<v1::CutAnalysisResult>(request, "cut_analysis");
  if (result == nullptr) return cuts;
  for (const v1::CutAnalysisResult::Shot& shot : result->shots()) {
    cuts.push_back(analysis::FromProto(shot.start_offset()));
  }
  return cuts;
}

void FillObservation(const Pose& pose, absl::Duration offset, double aspect, BodyPoseResult::Observation* out) {
  *out->mutable_offset() = analysis::ToProto(offset);
  out->mutable_box()->set_left(pose.box.left);
  out->mutable_box()->set_top(pose.box.top);
  out->mutable_box()->set_right(pose.box.right);
  out->mutable_box()->set_bottom(pose.box.bottom);
  out->set_score(pose.score);
  for (int joint = 0; joint < kJointCount; ++joint) {
    const Keypoint& place = pose.keypoints[static_cast<size_t>(joint)];
    BodyPoseResult::Keypoint& keypoint = *out->add_keypoints();
    keypoint.set_name(std::string(JointName(joint)));
    keypoint.set_x(place.x);
    keypoint.set_y(place.y);
    keypoint.set_score(place.score);
  }
  for (const BodyPoseResult::Action action : ActionsOf(pose, aspect)) out->add_actions(action);
}

// `arms raised` and so on, for people.
std::string ActionText(int action) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(BodyPoseResult::Action_Name(action)), {{"_", " "}});
}

class PoseAnalyzer final : public analysis::Analyzer {
 public:
  explicit PoseAnalyzer(inference::ModelSource& models) : models_(models) {}

  analyzer::v1::AnalyzerDescription Describe() const override {
    analyzer::v1::AnalyzerDescription description;
    description.set_name(kName);
    description.set_description("People and their 17 joints, with tracks and simple actions");
    // The spec of object_detection, so that both share one picture.
    description.mutable_frame_spec()->set_format(analyzer::v1::PIXEL_FORMAT_RGB24);
    description.mutable_frame_spec()->set_max_side_px(640);
    description.mutable_sampling()->set_sample_fps(kSampleFps);
    description.mutable_sampling()->set_reference_min_interval(5);
    description.mutable_sampling()->set_reference_divisor(6);
    description.set_batch_frames(8);
    analyzer::v1::Dependency& dependency = *description.add_depends_on();
    dependency.set_analyzer("cut_analysis");
    dependency.set_optional(true);
    description.set_options_type(BodyPoseOptions::descriptor()->full_name());
    description.set_result_type(BodyPoseResult::descriptor()->full_name());
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
    ASSIGN_OR_RETURN(const auto options, analysis::UnpackOptions<BodyPoseOptions>(*view.options));
    ASSIGN_OR_RETURN(const ModelEntry* const entry, ModelFor(models_, options));
    ASSIGN_OR_RETURN(const std::unique_ptr<PoseHead> head, HeadFor(*entry));
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
    std::vector<std::vector<Pose>> poses;
    for (size_t i = 0; i < outputs.size(); ++i) {
      ASSIGN_OR_RETURN(poses.emplace_back(), Decode(*head, *entry, outputs[i], places[i]));
    }
    if (options.refine_joints()) {
      RETURN_IF_ERROR(LookCloser(view, *model, *head, input, MinScore(*entry, options), cancel, &poses));
    }
    std::vector<std::string> payloads;
    for (const std::vector<Pose>& found : poses) payloads.push_back(EncodePoses(found));
    return payloads;
  }

  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) override {
    ASSIGN_OR_RETURN(const auto options, analysis::UnpackOptions<BodyPoseOptions>(request.options()));
    ASSIGN_OR_RETURN(const ModelEntry* const entry, ModelFor(models_, options));
    std::vector<std::vector<Pose>> poses;
    std::vector<tracking::TrackedFrame> frames;
    for (const analyzer::v1::FrameResult& result : request.results()) {
      RETURN_IF_ERROR(cancel.status());
      ASSIGN_OR_RETURN(std::vector<Pose> found, DecodePoses(result.payload()));
      tracking::TrackedFrame& frame = frames.emplace_back();
      frame.offset = analysis::FromProto(result.offset());
      for (const Pose& pose : found) frame.detections.push_back({.box = pose.box, .score = pose.score});
      poses.push_back(std::move(found));
    }
    const float min_score = MinScore(*entry, options);
    const double fps = request.sample_fps() > 0 ? request.sample_fps() : request.video().frame_rate();
    tracking::TrackerOptions tracker;
    tracker.high_score = std::max(min_score, kLowScore);
    tracker.low_score = std::min(kLowScore, min_score);
    tracker.max_gap = absl::Seconds(std::max(0.5, fps > 0 ? 3.5 / fps : 1.0));
    const double aspect = request.video().height_px() > 0
                              ? static_cast<double>(request.video().width_px()) / request.video().height_px()
                              : 1;
    BodyPoseResult result;
    std::map<absl::Duration, int> at_once;
    for (const tracking::Track& track : tracking::TrackBoxes(frames, Cuts(request), tracker)) {
      BodyPoseResult::Track& out = *result.add_tracks();
      out.set_track_id(result.tracks_size());
      for (const tracking::Track::Observation& seen : track.observations) {
        const absl::Duration offset = frames[static_cast<size_t>(seen.frame)].offset;
        FillObservation(poses[static_cast<size_t>(seen.frame)][static_cast<size_t>(seen.detection)], offset, aspect,
                        out.add_observations());
        result.set_most_at_once(std::max(result.most_at_once(), ++at_once[offset]));
      }
      *out.mutable_first_offset() = out.observations(0).offset();
      *out.mutable_last_offset() = out.observations().rbegin()->offset();
    }
    analyzer::v1::SummarizeResponse response = Respond(result, absl::Seconds(fps > 0 ? 1 / fps : 0), request);
    RETURN_IF_ERROR(service::SetModels(models_, {entry->name()}, &response));
    return response;
  }

 private:
  static float MinScore(const ModelEntry& entry, const BodyPoseOptions& options) {
    if (options.has_min_score()) return options.min_score();
    return entry.has_min_score() ? entry.min_score() : kDefaultMinScore;
  }

  static absl::StatusOr<std::vector<Pose>> Decode(const PoseHead& head, const ModelEntry& entry,
                                                  const inference::Sample& outputs, const inference::Affine& place) {
    absl::StatusOr<std::vector<Pose>> poses = head.Decode(outputs, place);
    if (!poses.ok()) return Annotate(poses.status(), absl::StrCat("model ", entry.name()));
    return poses;
  }

  // `poses` of each target of `view`, sharpened. All looks of the batch go through the network together.
  static absl::Status LookCloser(const analysis::BatchView& view, const inference::Model& model, const PoseHead& head,
                                 const inference::ImageTensorOptions& input, float min_score, const CancelToken& cancel,
                                 std::vector<std::vector<Pose>>* poses) {
    std::vector<std::vector<CloserLook>> looks;
    std::vector<inference::Sample> samples;
    for (const analysis::BatchView::Item& item : view.items) {
      if (!item.target) continue;
      RETURN_IF_ERROR(cancel.status());
      ASSIGN_OR_RETURN(looks.emplace_back(), CloserLooks(*item.frame->image, (*poses)[looks.size()], min_score, input));
      for (const CloserLook& look : looks.back()) samples.push_back({look.input.tensor});
    }
    if (samples.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::vector<inference::Sample> outputs,
                     model.Run(view.request_id, std::move(samples), cancel));
    size_t next = 0;
    for (size_t i = 0; i < looks.size(); ++i) {
      std::vector<std::vector<Pose>> seen;
      for (const CloserLook& look : looks[i]) {
        ASSIGN_OR_RETURN(seen.emplace_back(), Decode(head, model.entry(), outputs[next++], look.input.to_picture));
      }
      TakeCloserLooks(looks[i], seen, &(*poses)[i]);
    }
    return absl::OkStatus();
  }

  static analyzer::v1::SummarizeResponse Respond(const BodyPoseResult& result, absl::Duration interval,
                                                 const analyzer::v1::SummarizeRequest& request) {
    analyzer::v1::SummarizeResponse response;
    const absl::Duration end = request.segments().empty()
                                   ? absl::InfiniteDuration()
                                   : analysis::FromProto(request.segments().rbegin()->end_offset());
    std::set<int> all_actions;
    for (const BodyPoseResult::Track& track : result.tracks()) {
      // An action counts for a track that shows it in a third of its frames.
      std::map<int, int> counts;
      float score = 0;
      for (const BodyPoseResult::Observation& observation : track.observations()) {
        score = std::max(score, observation.score());
        for (const int action : observation.actions()) ++counts[action];
      }
      std::vector<std::string> actions;
      for (const auto& [action, count] : counts) {
        if (3 * count < track.observations_size()) continue;
        actions.push_back(ActionText(action));
        all_actions.insert(action);
      }
      analyzer::v1::TimelineEntry& line = *response.add_timeline();
      line.set_label(actions.empty() ? "body" : absl::StrCat("body, ", absl::StrJoin(actions, ", ")));
      line.set_score(score);
      *line.mutable_start_offset() = track.first_offset();
      *line.mutable_end_offset() =
          analysis::ToProto(std::min(end, analysis::FromProto(track.last_offset()) + interval));
    }
    std::string headline = "nobody";
    if (result.tracks_size() > 0) {
      headline = absl::StrCat(
          result.tracks_size() == 1 ? "1 track of a person" : absl::StrCat(result.tracks_size(), " tracks of people"),
          ", at most ", result.most_at_once(), " at once");
      for (const int action : all_actions) absl::StrAppend(&headline, ", ", ActionText(action));
    }
    response.set_headline(headline);
    response.mutable_typed()->PackFrom(result);
    return response;
  }

  inference::ModelSource& models_;
};

}  // namespace

std::unique_ptr<analysis::Analyzer> MakePoseAnalyzer(inference::ModelSource& models) {
  return std::make_unique<PoseAnalyzer>(models);
}

}  // namespace reelsight::body_pose
