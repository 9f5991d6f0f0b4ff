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
#include "absl/strings/str_replace.h"
#include "reelsight/v1/body_pose.pb.h"
#include "services/detection/body_pose/closer_look.h"
#include "services/detection/body_pose/pose.h"
#include "services/detection/body_pose/pose_head.h"
#include "services/detection/body_pose/pose_payload.h"
#include "services/model_analyzer/model_analyzer.h"
#include "services/model_analyzer/target_pictures.h"
#include "services/tracked_summary/tracked_summary.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"
#include "shared/inference/image_tensor.h"

namespace reelsight::body_pose {
namespace {

using config::v1::ModelEntry;
using v1::BodyPoseOptions;
using v1::BodyPoseResult;

constexpr char kName[] = "body_pose";
constexpr float kLowScore = 0.1F;
constexpr float kDefaultMinScore = 0.25F;

absl::StatusOr<std::unique_ptr<PoseHead>> HeadFor(const ModelEntry& entry) {
  absl::StatusOr<std::unique_ptr<PoseHead>> head = MakePoseHead(
      entry.family(),
      {.width_px = entry.input().width_px(), .height_px = entry.input().height_px(), .min_score = kLowScore});
  if (!head.ok()) return Annotate(head.status(), absl::StrCat("model ", entry.name()));
  return head;
}

void FillObservation(const Pose& pose, absl::Duration offset, double aspect, BodyPoseResult::Observation* out) {
  *out->mutable_offset() = analysis::ToProto(offset);
  tracked_summary::SetBox(pose.box, out->mutable_box());
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

// Of everybody who was seen, with what they did.
void FillTracks(const tracked_summary::TrackedSummary& sightings, const std::vector<std::vector<Pose>>& poses,
                const std::vector<tracking::Track>& tracks, double aspect, BodyPoseResult* result) {
  std::map<absl::Duration, int> at_once;
  for (const tracking::Track& track : tracks) {
    BodyPoseResult::Track& out = *result->add_tracks();
    for (const tracking::Track::Observation& seen : track.observations) {
      const absl::Duration offset = sightings.OffsetOf(seen);
      FillObservation(poses[static_cast<size_t>(seen.frame)][static_cast<size_t>(seen.detection)], offset, aspect,
                      out.add_observations());
      result->set_most_at_once(std::max(result->most_at_once(), ++at_once[offset]));
    }
    tracked_summary::CloseTrack(result->tracks_size(), &out);
  }
}

// The actions that `track` shows in a third of its frames.
std::vector<int> ActionsOfTrack(const BodyPoseResult::Track& track) {
  std::map<int, int> counts;
  for (const BodyPoseResult::Observation& observation : track.observations()) {
    for (const int action : observation.actions()) ++counts[action];
  }
  std::vector<int> actions;
  for (const auto& [action, count] : counts) {
    if (3 * count >= track.observations_size()) actions.push_back(action);
  }
  return actions;
}

// `body, standing` and so on.
std::string Label(const std::vector<int>& actions) {
  std::string label = "body";
  for (const int action : actions) absl::StrAppend(&label, ", ", ActionText(action));
  return label;
}

std::string MakeHeadline(const BodyPoseResult& result, const std::set<int>& actions) {
  if (result.tracks().empty()) return "nobody";
  std::string headline = absl::StrCat(
      result.tracks_size() == 1 ? "1 track of a person" : absl::StrCat(result.tracks_size(), " tracks of people"),
      ", at most ", result.most_at_once(), " at once");
  for (const int action : actions) absl::StrAppend(&headline, ", ", ActionText(action));
  return headline;
}

absl::StatusOr<std::vector<Pose>> Decode(const PoseHead& head, const ModelEntry& entry,
                                         const inference::Sample& outputs, const inference::Affine& place) {
  absl::StatusOr<std::vector<Pose>> poses = head.Decode(outputs, place);
  if (!poses.ok()) return Annotate(poses.status(), absl::StrCat("model ", entry.name()));
  return poses;
}

// `poses` of each target of `view`, sharpened. All looks of the batch go through the network together.
absl::Status LookCloser(const analysis::BatchView& view, const inference::Model& model, const PoseHead& head,
                        float min_score, const CancelToken& cancel, std::vector<std::vector<Pose>>* poses) {
  const inference::ImageTensorOptions input = inference::WithCatalogInput(head.input(), model.entry().input());
  std::vector<std::vector<CloserLook>> looks;
  std::vector<inference::Sample> samples;
  for (const analysis::Image* const picture : model_analyzer::TargetPictures(view)) {
    RETURN_IF_ERROR(cancel.status());
    ASSIGN_OR_RETURN(looks.emplace_back(), CloserLooks(*picture, (*poses)[looks.size()], min_score, input));
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

class PoseAnalyzer final : public model_analyzer::OneModelAnalyzer<BodyPoseOptions, BodyPoseResult> {
 public:
  // The pictures of object_detection, so that both share one conversion.
  explicit PoseAnalyzer(inference::ModelSource& models)
      : OneModelAnalyzer({.name = kName,
                          .description = "People and their 17 joints, with tracks and simple actions",
                          .max_side_px = 640,
                          .sample_fps = 6,
                          .reference_min_interval = 5,
                          .reference_divisor = 6,
                          .follows_cuts = true},
                         models) {}

 private:
  absl::StatusOr<std::vector<std::string>> MakePayloads(const analysis::BatchView& view, const BodyPoseOptions& options,
                                                        const inference::Model& model,
                                                        const CancelToken& cancel) const override {
    ASSIGN_OR_RETURN(const std::unique_ptr<PoseHead> head, HeadFor(model.entry()));
    ASSIGN_OR_RETURN(const auto placed, model_analyzer::RunOnTargets(view, model, cancel, head->input()));
    std::vector<std::vector<Pose>> poses;
    for (size_t i = 0; i < placed.outputs.size(); ++i) {
      ASSIGN_OR_RETURN(poses.emplace_back(), Decode(*head, model.entry(), placed.outputs[i], placed.places[i]));
    }
    if (options.refine_joints()) {
      const float min_score = model_analyzer::MinScore(options, model.entry(), kDefaultMinScore);
      RETURN_IF_ERROR(LookCloser(view, model, *head, min_score, cancel, &poses));
    }
    std::vector<std::string> payloads;
    for (const std::vector<Pose>& found : poses) payloads.push_back(EncodePoses(found));
    return payloads;
  }

  absl::Status Reduce(const analyzer::v1::SummarizeRequest& request, const BodyPoseOptions& options,
                      const ModelEntry& entry, const CancelToken& cancel, BodyPoseResult* result,
                      analyzer::v1::SummarizeResponse* response) const override {
    tracked_summary::TrackedSummary sightings(request);
    std::vector<std::vector<Pose>> poses;
    for (const analyzer::v1::FrameResult& frame : request.results()) {
      RETURN_IF_ERROR(cancel.status());
      ASSIGN_OR_RETURN(poses.emplace_back(), DecodePoses(frame.payload()));
      std::vector<inference::Detection> boxes;
      for (const Pose& pose : poses.back()) boxes.push_back({.box = pose.box, .score = pose.score});
      sightings.AddFrame(analysis::FromProto(frame.offset()), std::move(boxes));
    }
    const float min_score = model_analyzer::MinScore(options, entry, kDefaultMinScore);
    const double aspect = request.video().height_px() > 0
                              ? static_cast<double>(request.video().width_px()) / request.video().height_px()
                              : 1;
    FillTracks(sightings, poses, sightings.Follow({.min_score = min_score, .low_score = kLowScore}), aspect, result);
    std::set<int> all_actions;
    for (const BodyPoseResult::Track& track : result->tracks()) {
      float score = 0;
      for (const auto& observation : track.observations()) score = std::max(score, observation.score());
      const std::vector<int> actions = ActionsOfTrack(track);
      all_actions.insert(actions.begin(), actions.end());
      sightings.AddEntry(Label(actions), score, track.first_offset(), track.last_offset(), response);
    }
    response->set_headline(MakeHeadline(*result, all_actions));
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<analysis::Analyzer> MakePoseAnalyzer(inference::ModelSource& models) {
  return std::make_unique<PoseAnalyzer>(models);
}

}  // namespace reelsight::body_pose
