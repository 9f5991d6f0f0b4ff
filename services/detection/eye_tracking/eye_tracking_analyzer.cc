// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/eye_tracking_analyzer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "reelsight/v1/eye_tracking.pb.h"
#include "services/detection/eye_tracking/blinks.h"
#include "services/detection/eye_tracking/face_finder.h"
#include "services/detection/eye_tracking/face_observation.h"
#include "services/frame_payload/frame_payload.h"
#include "services/model_analyzer/model_analyzer.h"
#include "services/model_analyzer/target_pictures.h"
#include "services/tracked_summary/tracked_summary.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"
#include "shared/service/model_description.h"

namespace reelsight::eye_tracking {
namespace {

using v1::EyeTrackingResult;
using Observation = EyeTrackingResult::Observation;

constexpr char kName[] = "eye_tracking";

constexpr float kDefaultMinScore = 0.5F;
constexpr double kMinBlinkFps = 15;

// Counts observations with a known gaze.
class CameraShare {
 public:
  void Add(const EyeTrackingResult::Face& face) {
    for (const Observation& observation : face.observations()) {
      if (!observation.has_looking_at_camera()) continue;
      ++known_;
      if (observation.looking_at_camera()) ++looking_;
    }
  }
  std::optional<float> share() const {
    if (known_ == 0) return std::nullopt;
    return static_cast<float>(static_cast<double>(looking_) / static_cast<double>(known_));
  }

 private:
  int64_t known_ = 0;
  int64_t looking_ = 0;
};

// Adds faces through time, with their observations. `seen`: those of each frame of `sightings`; they are moved away.
void AddFaces(const tracked_summary::TrackedSummary& sightings, float min_score,
              std::vector<std::vector<Observation>> seen, EyeTrackingResult* result) {
  const tracked_summary::FollowOptions follow = {
      .min_score = min_score, .low_score = min_score, .min_gap = absl::Seconds(1)};
  for (const tracking::Track& track : sightings.Follow(follow)) {
    EyeTrackingResult::Face& face = *result->add_faces();
    for (const tracking::Track::Observation& place : track.observations) {
      face.mutable_observations()->Add(
          std::move(seen[static_cast<size_t>(place.frame)][static_cast<size_t>(place.detection)]));
    }
    tracked_summary::CloseTrack(result->faces_size(), &face);
    CameraShare share;
    share.Add(face);
    if (share.share()) face.set_looking_at_camera_share(*share.share());
  }
}

void AddBlinks(EyeTrackingResult& result) {
  for (const EyeTrackingResult::Face& face : result.faces()) {
    std::vector<OpennessSample> samples;
    for (const Observation& observation : face.observations()) {
      if (!observation.has_left_eye_openness() || !observation.has_right_eye_openness()) continue;
      samples.push_back({analysis::FromProto(observation.offset()),
                         0.5 * (observation.left_eye_openness() + observation.right_eye_openness())});
    }
    for (const BlinkSpan& span : FindBlinks(samples, {})) {
      EyeTrackingResult::Blink& blink = *result.add_blinks();
      blink.set_track_id(face.track_id());
      *blink.mutable_start_offset() = analysis::ToProto(span.start);
      *blink.mutable_end_offset() = analysis::ToProto(span.end);
    }
  }
  std::stable_sort(result.mutable_blinks()->begin(), result.mutable_blinks()->end(),
                   [](const EyeTrackingResult::Blink& left, const EyeTrackingResult::Blink& right) {
                     return analysis::FromProto(left.start_offset()) < analysis::FromProto(right.start_offset());
                   });
}

void FillTimeline(const tracked_summary::TrackedSummary& sightings, const EyeTrackingResult& result,
                  analyzer::v1::SummarizeResponse* response) {
  for (const EyeTrackingResult::Face& face : result.faces()) {
    std::string label = absl::StrFormat("face %d", face.track_id());
    if (face.has_looking_at_camera_share()) {
      absl::StrAppendFormat(&label, ", looks at the camera %.0f%%", 100 * face.looking_at_camera_share());
    }
    float score = 0;
    for (const Observation& observation : face.observations()) score = std::max(score, observation.score());
    sightings.AddEntry(std::move(label), score, face.first_offset(), face.last_offset(), response);
  }
  for (const EyeTrackingResult::Blink& blink : result.blinks()) {
    analyzer::v1::TimelineEntry& entry = *response->add_timeline();
    entry.set_label(absl::StrFormat("face %d blinks", blink.track_id()));
    entry.set_score(1);
    *entry.mutable_start_offset() = blink.start_offset();
    *entry.mutable_end_offset() = blink.end_offset();
  }
  std::stable_sort(response->mutable_timeline()->begin(), response->mutable_timeline()->end(),
                   [](const analyzer::v1::TimelineEntry& left, const analyzer::v1::TimelineEntry& right) {
                     return analysis::FromProto(left.start_offset()) < analysis::FromProto(right.start_offset());
                   });
}

std::string MakeHeadline(const EyeTrackingResult& result) {
  if (result.faces().empty()) return "no face";
  std::string headline = absl::StrFormat("%d face%s", result.faces_size(), result.faces_size() == 1 ? "" : "s");
  if (result.has_looking_at_camera_share()) {
    absl::StrAppendFormat(&headline, ", looking at the camera %.0f%% of the time",
                          100 * result.looking_at_camera_share());
  } else {
    headline += ", no gaze could be told";
  }
  if (result.blinks_measured()) {
    absl::StrAppendFormat(&headline, ", %d blink%s", result.blinks_size(), result.blinks_size() == 1 ? "" : "s");
  }
  return headline;
}

// Names of the four networks in the catalogue.
struct ModelNames {
  std::string short_range;
  std::string full_range;
  std::string mesh;
  std::string iris;
};

// The catalogue's defaults. FAILED_PRECONDITION, WEIGHTS_MISSING if it lacks one, or has one of another family.
absl::StatusOr<ModelNames> ChooseModels(const inference::ModelSource& models) {
  ModelNames names;
  for (const auto& [role, family, name] :
       {std::tuple{"near_face_detector", "blazeface_short_range", &names.short_range},
        {"far_face_detector", "blazeface_full_range", &names.full_range},
        {"face_mesh", "mediapipe_face_mesh", &names.mesh},
        {"iris", "mediapipe_iris", &names.iris}}) {
    ASSIGN_OR_RETURN(const config::v1::ModelEntry* const entry,
                     inference::DefaultOfFamily(models, kName, role, family));
    *name = entry->name();
  }
  return names;
}

// As asked for, or the default. INVALID_ARGUMENT, INVALID_FIELD, if it is out of range.
absl::StatusOr<float> MinScore(const v1::EyeTrackingOptions& options) {
  if (!options.has_min_score()) return kDefaultMinScore;
  if (options.min_score() >= 0 && options.min_score() <= 1) return options.min_score();
  return InvalidField("min_score", absl::StrFormat("%g is not within [0, 1]", options.min_score()));
}

class EyeTrackingAnalyzer final : public model_analyzer::ModelAnalyzer<v1::EyeTrackingOptions, EyeTrackingResult> {
 public:
  explicit EyeTrackingAnalyzer(inference::ModelSource& models)
      : ModelAnalyzer({.name = kName,
                       .description = "Faces, turn of heads, direction of gaze, openness of eyes, blinks",
                       .max_side_px = 960,
                       .sample_fps = 3,
                       .reference_min_interval = 10,
                       .reference_divisor = 3,
                       .follows_cuts = true},
                      models) {}

 private:
  // The face mesh is the main one.
  absl::StatusOr<model_analyzer::UsedModels> ModelsFor(const v1::EyeTrackingOptions& /*options*/) const override {
    ASSIGN_OR_RETURN(const ModelNames names, ChooseModels(models()));
    return model_analyzer::UsedModels{{names.short_range, names.full_range, names.mesh, names.iris}, 2};
  }

  absl::StatusOr<std::vector<std::string>> MakePayloads(const analysis::BatchView& view,
                                                        const v1::EyeTrackingOptions& options,
                                                        const CancelToken& cancel) const override {
    ASSIGN_OR_RETURN(const float min_score, MinScore(options));
    ASSIGN_OR_RETURN(const ModelNames names, ChooseModels(models()));
    const auto acquire = [&](const std::string& name) { return service::AcquireFor(view, models(), name, cancel); };
    FaceModels loaded;
    ASSIGN_OR_RETURN(loaded.short_range, acquire(names.short_range));
    ASSIGN_OR_RETURN(loaded.full_range, acquire(names.full_range));
    ASSIGN_OR_RETURN(loaded.mesh, acquire(names.mesh));
    ASSIGN_OR_RETURN(loaded.iris, acquire(names.iris));
    ASSIGN_OR_RETURN(const FaceFinder finder,
                     FaceFinder::Create(std::move(loaded), {.min_score = min_score, .client = view.request_id}));
    const std::vector<const analysis::Image*> pictures = model_analyzer::TargetPictures(view);
    ASSIGN_OR_RETURN(const std::vector<std::vector<FoundFace>> found, finder.Find(pictures, cancel));
    std::vector<std::string> payloads;
    for (size_t i = 0; i < found.size(); ++i) {
      payload::v1::EyeTrackingPayload payload;
      for (const FoundFace& face : found[i]) *payload.add_faces() = MeasureFace(face, pictures[i]->size());
      payloads.push_back(frame_payload::EncodePayload(payload));
    }
    return payloads;
  }

  absl::Status Reduce(const analyzer::v1::SummarizeRequest& request, const v1::EyeTrackingOptions& options,
                      const CancelToken& cancel, EyeTrackingResult* result,
                      analyzer::v1::SummarizeResponse* response) const override {
    ASSIGN_OR_RETURN(const float min_score, MinScore(options));
    tracked_summary::TrackedSummary sightings(request);
    std::vector<std::vector<Observation>> seen;
    for (const analyzer::v1::FrameResult& frame : request.results()) {
      RETURN_IF_ERROR(cancel.status());
      ASSIGN_OR_RETURN(seen.emplace_back(), DecodeObservations(frame.payload(), frame.offset()));
      std::vector<inference::Detection> boxes;
      for (const Observation& observation : seen.back()) {
        const v1::NormalizedBox& box = observation.box();
        boxes.push_back({.box = {box.left(), box.top(), box.right(), box.bottom()}, .score = observation.score()});
      }
      sightings.AddFrame(analysis::FromProto(frame.offset()), std::move(boxes));
    }
    AddFaces(sightings, min_score, std::move(seen), result);
    CameraShare share;
    for (const EyeTrackingResult::Face& face : result->faces()) share.Add(face);
    if (share.share()) result->set_looking_at_camera_share(*share.share());
    if (options.blinks()) {
      if (sightings.sampled_fps() >= kMinBlinkFps) {
        result->set_blinks_measured(true);
        AddBlinks(*result);
      } else {
        response->set_warning(absl::StrFormat(
            "blinks were not looked for: %.3g frames a second were sampled, blinks need %.0f (see sample_fps)",
            sightings.sampled_fps(), kMinBlinkFps));
      }
    }
    FillTimeline(sightings, *result, response);
    response->set_headline(MakeHeadline(*result));
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<analysis::Analyzer> MakeEyeTrackingAnalyzer(inference::ModelSource& models) {
  return std::make_unique<EyeTrackingAnalyzer>(models);
}

}  // namespace reelsight::eye_tracking
