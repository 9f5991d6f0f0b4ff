// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/eye_tracking_analyzer.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "reelsight/v1/eye_tracking.pb.h"
#include "services/detection/eye_tracking/blinks.h"
#include "services/detection/eye_tracking/face_finder.h"
#include "services/detection/eye_tracking/gaze.h"
#include "services/detection/tracking/byte_tracker.h"
#include "shared/service/model_description.h"

namespace reelsight::eye_tracking {
namespace {

using v1::EyeTrackingResult;
using Observation = EyeTrackingResult::Observation;

constexpr char kName[] = "eye_tracking";

constexpr float kDefaultMinScore = 0.5F;
// Below this openness an iris is hidden, and no gaze can be told.
constexpr double kMinGazeOpenness = 0.35;
// Gaze meets the camera if it points at it to within this. People feel looked at within 4 to 5 degrees [Gamer and
// Hecht, Are you looking at me?, 2007]; the rest is the error of the gaze.
constexpr double kCameraConeDegrees = 15;
constexpr double kMinBlinkFps = 15;

v1::NormalizedPoint Normalized(const Point3& point, analysis::ImageSize size) {
  v1::NormalizedPoint normalized;
  normalized.set_x(static_cast<float>(point.x / size.width_px));
  normalized.set_y(static_cast<float>(point.y / size.height_px));
  return normalized;
}

// The mean direction of the eyes that can be seen.
std::optional<Vector3> FaceGaze(const FoundFace& face) {
  Vector3 sum = {};
  for (const bool left : {true, false}) {
    const std::optional<Eye>& eye = left ? face.left_eye : face.right_eye;
    if (!eye || EyeOpenness(*eye, *face.pose) < kMinGazeOpenness) continue;
    const std::optional<Vector3> gaze = EyeGaze(*eye, left, *face.pose);
    if (!gaze) continue;
    for (int i = 0; i < 3; ++i) sum[i] += (*gaze)[i];
  }
  const double length = std::hypot(sum[0], sum[1], sum[2]);
  if (length < 1e-6) return std::nullopt;
  return Vector3{sum[0] / length, sum[1] / length, sum[2] / length};
}

Observation MakeObservation(const FoundFace& face, analysis::ImageSize size) {
  Observation observation;
  const inference::Box box = inference::ClampToUnit({face.box.left / size.width_px, face.box.top / size.height_px,
                                                     face.box.right / size.width_px, face.box.bottom / size.height_px});
  v1::NormalizedBox& normalized = *observation.mutable_box();
  normalized.set_left(box.left);
  normalized.set_top(box.top);
  normalized.set_right(box.right);
  normalized.set_bottom(box.bottom);
  observation.set_score(face.score);
  if (!face.pose) return observation;
  observation.set_head_yaw_degrees(static_cast<float>(face.pose->yaw_degrees()));
  observation.set_head_pitch_degrees(static_cast<float>(face.pose->pitch_degrees()));
  observation.set_head_roll_degrees(static_cast<float>(face.pose->roll_degrees()));
  if (face.left_eye) {
    observation.set_left_eye_openness(static_cast<float>(EyeOpenness(*face.left_eye, *face.pose)));
    if (observation.left_eye_openness() >= kMinGazeOpenness) {
      *observation.mutable_left_iris() = Normalized(face.left_eye->iris[0], size);
    }
  }
  if (face.right_eye) {
    observation.set_right_eye_openness(static_cast<float>(EyeOpenness(*face.right_eye, *face.pose)));
    if (observation.right_eye_openness() >= kMinGazeOpenness) {
      *observation.mutable_right_iris() = Normalized(face.right_eye->iris[0], size);
    }
  }
  if (const std::optional<Vector3> gaze = FaceGaze(face)) {
    observation.set_gaze_yaw_degrees(static_cast<float>(YawDegrees(*gaze)));
    observation.set_gaze_pitch_degrees(static_cast<float>(PitchDegrees(*gaze)));
    observation.set_looking_at_camera((*gaze)[2] >= std::cos(kCameraConeDegrees * M_PI / 180));
  }
  return observation;
}

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

std::vector<absl::Duration> FindCuts(const analyzer::v1::SummarizeRequest& request) {
  std::vector<absl::Duration> cuts;
  const auto analysis = analysis::DependencyResult<v1::CutAnalysisResult>(request, "cut_analysis");
  if (analysis != nullptr) {
    for (const v1::CutAnalysisResult::Shot& shot : analysis->shots()) {
      cuts.push_back(analysis::FromProto(shot.start_offset()));
    }
  }
  // What lies between segments was not analysed.
  for (const analyzer::v1::Segment& segment : request.segments()) {
    cuts.push_back(analysis::FromProto(segment.start_offset()));
  }
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  return cuts;
}

// Faces through time, with their observations.
absl::StatusOr<EyeTrackingResult> TrackFaces(const analyzer::v1::SummarizeRequest& request, float min_score) {
  std::vector<tracking::TrackedFrame> frames;
  std::vector<EyeTrackingResult::Face> seen;
  for (const analyzer::v1::FrameResult& frame : request.results()) {
    EyeTrackingResult::Face& faces = seen.emplace_back();
    if (!faces.ParseFromString(frame.payload())) {
      return absl::InternalError(absl::StrFormat("the result of frame %d cannot be read", frame.index()));
    }
    tracking::TrackedFrame& tracked = frames.emplace_back();
    tracked.offset = analysis::FromProto(frame.offset());
    for (Observation& observation : *faces.mutable_observations()) {
      *observation.mutable_offset() = frame.offset();
      const v1::NormalizedBox& box = observation.box();
      tracked.detections.push_back(
          {.box = {box.left(), box.top(), box.right(), box.bottom()}, .score = observation.score(), .label = 0});
    }
  }
  EyeTrackingResult result;
  const tracking::TrackerOptions options = {.high_score = min_score, .low_score = min_score};
  for (const tracking::Track& track : tracking::TrackBoxes(frames, FindCuts(request), options)) {
    EyeTrackingResult::Face& face = *result.add_faces();
    face.set_track_id(result.faces_size());
    for (const tracking::Track::Observation& place : track.observations) {
      face.mutable_observations()->Add(std::move(*seen[place.frame].mutable_observations(place.detection)));
    }
    *face.mutable_first_offset() = face.observations(0).offset();
    *face.mutable_last_offset() = face.observations(face.observations_size() - 1).offset();
    CameraShare share;
    share.Add(face);
    if (share.share()) face.set_looking_at_camera_share(*share.share());
  }
  return result;
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

void FillTimeline(const EyeTrackingResult& result, analyzer::v1::SummarizeResponse& response) {
  for (const EyeTrackingResult::Face& face : result.faces()) {
    analyzer::v1::TimelineEntry& entry = *response.add_timeline();
    std::string label = absl::StrFormat("face %d", face.track_id());
    if (face.has_looking_at_camera_share()) {
      absl::StrAppendFormat(&label, ", looks at the camera %.0f%%", 100 * face.looking_at_camera_share());
    }
    entry.set_label(label);
    float score = 0;
    for (const Observation& observation : face.observations()) score = std::max(score, observation.score());
    entry.set_score(score);
    *entry.mutable_start_offset() = face.first_offset();
    *entry.mutable_end_offset() = face.last_offset();
  }
  for (const EyeTrackingResult::Blink& blink : result.blinks()) {
    analyzer::v1::TimelineEntry& entry = *response.add_timeline();
    entry.set_label(absl::StrFormat("face %d blinks", blink.track_id()));
    entry.set_score(1);
    *entry.mutable_start_offset() = blink.start_offset();
    *entry.mutable_end_offset() = blink.end_offset();
  }
  std::stable_sort(response.mutable_timeline()->begin(), response.mutable_timeline()->end(),
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

class EyeTrackingAnalyzer final : public analysis::Analyzer {
 public:
  explicit EyeTrackingAnalyzer(inference::ModelSource& models) : models_(models) {}

  analyzer::v1::AnalyzerDescription Describe() const override {
    analyzer::v1::AnalyzerDescription description;
    description.set_name(kName);
    description.set_description("Faces, turn of heads, direction of gaze, openness of eyes, blinks");
    description.mutable_frame_spec()->set_format(analyzer::v1::PIXEL_FORMAT_RGB24);
    description.mutable_frame_spec()->set_max_side_px(960);
    description.mutable_sampling()->set_sample_fps(3);
    description.mutable_sampling()->set_reference_min_interval(10);
    description.mutable_sampling()->set_reference_divisor(3);
    description.set_batch_frames(8);
    analyzer::v1::Dependency& dependency = *description.add_depends_on();
    dependency.set_analyzer("cut_analysis");
    dependency.set_optional(true);
    description.set_options_type(v1::EyeTrackingOptions::descriptor()->full_name());
    description.set_result_type(EyeTrackingResult::descriptor()->full_name());
    if (const auto names = ChooseModels(models_); names.ok()) {
      service::DescribeModels(models_, {names->short_range, names->full_range, names->mesh, names->iris}, &description);
    } else {
      description.set_unavailable_reason(std::string(names.status().message()));
    }
    return description;
  }

  absl::StatusOr<std::vector<std::string>> AnalyzeFrames(const analysis::BatchView& view,
                                                         const CancelToken& cancel) override {
    ASSIGN_OR_RETURN(const v1::EyeTrackingOptions options, Options(*view.options));
    ASSIGN_OR_RETURN(const ModelNames names, ChooseModels(models_));
    FaceModels models;
    ASSIGN_OR_RETURN(models.short_range, service::AcquireFor(view, models_, names.short_range, cancel));
    ASSIGN_OR_RETURN(models.full_range, service::AcquireFor(view, models_, names.full_range, cancel));
    ASSIGN_OR_RETURN(models.mesh, service::AcquireFor(view, models_, names.mesh, cancel));
    ASSIGN_OR_RETURN(models.iris, service::AcquireFor(view, models_, names.iris, cancel));
    ASSIGN_OR_RETURN(const FaceFinder finder, FaceFinder::Create(std::move(models), {.min_score = options.min_score(),
                                                                                     .client = view.request_id}));
    std::vector<const analysis::Image*> pictures;
    for (const analysis::BatchView::Item& item : view.items) {
      if (item.target) pictures.push_back(item.frame->image.get());
    }
    ASSIGN_OR_RETURN(const std::vector<std::vector<FoundFace>> found, finder.Find(pictures, cancel));
    std::vector<std::string> payloads;
    for (size_t i = 0; i < found.size(); ++i) {
      // The observations of one frame, in the message that holds those of one face.
      EyeTrackingResult::Face faces;
      for (const FoundFace& face : found[i]) *faces.add_observations() = MakeObservation(face, pictures[i]->size());
      payloads.push_back(faces.SerializeAsString());
    }
    return payloads;
  }

  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) override {
    RETURN_IF_ERROR(cancel.status());
    ASSIGN_OR_RETURN(const v1::EyeTrackingOptions options, Options(request.options()));
    ASSIGN_OR_RETURN(EyeTrackingResult result, TrackFaces(request, options.min_score()));
    CameraShare share;
    for (const EyeTrackingResult::Face& face : result.faces()) share.Add(face);
    if (share.share()) result.set_looking_at_camera_share(*share.share());
    analyzer::v1::SummarizeResponse response;
    if (options.blinks()) {
      const double sampled_fps = request.sample_fps() > 0 ? request.sample_fps() : request.video().frame_rate();
      if (sampled_fps >= kMinBlinkFps) {
        result.set_blinks_measured(true);
        AddBlinks(result);
      } else {
        response.set_warning(absl::StrFormat(
            "blinks were not looked for: %.3g frames a second were sampled, blinks need %.0f (see sample_fps)",
            sampled_fps, kMinBlinkFps));
      }
    }
    response.mutable_typed()->PackFrom(result);
    FillTimeline(result, response);
    response.set_headline(MakeHeadline(result));
    ASSIGN_OR_RETURN(const ModelNames names, ChooseModels(models_));
    RETURN_IF_ERROR(
        service::SetModels(models_, {names.mesh, names.short_range, names.full_range, names.iris}, &response));
    return response;
  }

 private:
  // With defaults filled in.
  static absl::StatusOr<v1::EyeTrackingOptions> Options(const google::protobuf::Any& any) {
    ASSIGN_OR_RETURN(v1::EyeTrackingOptions options, analysis::UnpackOptions<v1::EyeTrackingOptions>(any));
    if (!options.has_min_score()) options.set_min_score(kDefaultMinScore);
    if (!(options.min_score() >= 0 && options.min_score() <= 1)) {
      return InvalidField("min_score", absl::StrFormat("%g is not within [0, 1]", options.min_score()));
    }
    return options;
  }

  inference::ModelSource& models_;
};

}  // namespace

std::unique_ptr<analysis::Analyzer> MakeEyeTrackingAnalyzer(inference::ModelSource& models) {
  return std::make_unique<EyeTrackingAnalyzer>(models);
}

}  // namespace reelsight::eye_tracking
