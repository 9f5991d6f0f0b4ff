// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/face_observation.h"

#include <cmath>
#include <optional>

#include "services/detection/eye_tracking/gaze.h"
#include "services/frame_payload/frame_payload.h"
#include "services/tracked_summary/tracked_summary.h"
#include "shared/base/status.h"

namespace reelsight::eye_tracking {
namespace {

using payload::v1::EyeTrackingPayload;
using Observation = v1::EyeTrackingResult::Observation;

constexpr char kName[] = "eye_tracking";
// Below this openness an iris is hidden, and no gaze can be told.
constexpr double kMinGazeOpenness = 0.35;
// Gaze meets the camera if it points at it to within this. People feel looked at within 4 to 5 degrees [Gamer and
// Hecht, Are you looking at me?, 2007]; the rest is the error of the gaze.
constexpr double kCameraConeDegrees = 15;

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

void MeasureEye(const Eye& eye, const HeadPose& head, analysis::ImageSize size, EyeTrackingPayload::Eye* out) {
  out->set_openness(static_cast<float>(EyeOpenness(eye, head)));
  if (out->openness() < kMinGazeOpenness) return;
  out->add_iris(static_cast<float>(eye.iris[0].x / size.width_px));
  out->add_iris(static_cast<float>(eye.iris[0].y / size.height_px));
}

void SetIris(const EyeTrackingPayload::Eye& eye, v1::NormalizedPoint* out) {
  out->set_x(eye.iris(0));
  out->set_y(eye.iris(1));
}

bool IsComplete(const EyeTrackingPayload::Face& face) {
  return face.box_size() == 4 && face.left_eye().iris_size() % 2 == 0 && face.left_eye().iris_size() <= 2 &&
         face.right_eye().iris_size() % 2 == 0 && face.right_eye().iris_size() <= 2;
}

Observation ToObservation(const EyeTrackingPayload::Face& face) {
  Observation observation;
  tracked_summary::SetBox({face.box(0), face.box(1), face.box(2), face.box(3)}, observation.mutable_box());
  observation.set_score(face.score());
  if (face.has_head()) {
    observation.set_head_yaw_degrees(face.head().yaw_degrees());
    observation.set_head_pitch_degrees(face.head().pitch_degrees());
    observation.set_head_roll_degrees(face.head().roll_degrees());
  }
  if (face.has_left_eye()) observation.set_left_eye_openness(face.left_eye().openness());
  if (!face.left_eye().iris().empty()) SetIris(face.left_eye(), observation.mutable_left_iris());
  if (face.has_right_eye()) observation.set_right_eye_openness(face.right_eye().openness());
  if (!face.right_eye().iris().empty()) SetIris(face.right_eye(), observation.mutable_right_iris());
  if (face.has_gaze()) {
    observation.set_gaze_yaw_degrees(face.gaze().yaw_degrees());
    observation.set_gaze_pitch_degrees(face.gaze().pitch_degrees());
    observation.set_looking_at_camera(face.gaze().looking_at_camera());
  }
  return observation;
}

}  // namespace

EyeTrackingPayload::Face MeasureFace(const FoundFace& face, analysis::ImageSize size) {
  EyeTrackingPayload::Face out;
  const inference::Box box = inference::ClampToUnit({face.box.left / size.width_px, face.box.top / size.height_px,
                                                     face.box.right / size.width_px, face.box.bottom / size.height_px});
  for (const float side : {box.left, box.top, box.right, box.bottom}) out.add_box(side);
  out.set_score(face.score);
  if (!face.pose) return out;
  out.mutable_head()->set_yaw_degrees(static_cast<float>(face.pose->yaw_degrees()));
  out.mutable_head()->set_pitch_degrees(static_cast<float>(face.pose->pitch_degrees()));
  out.mutable_head()->set_roll_degrees(static_cast<float>(face.pose->roll_degrees()));
  if (face.left_eye) MeasureEye(*face.left_eye, *face.pose, size, out.mutable_left_eye());
  if (face.right_eye) MeasureEye(*face.right_eye, *face.pose, size, out.mutable_right_eye());
  if (const std::optional<Vector3> gaze = FaceGaze(face)) {
    out.mutable_gaze()->set_yaw_degrees(static_cast<float>(YawDegrees(*gaze)));
    out.mutable_gaze()->set_pitch_degrees(static_cast<float>(PitchDegrees(*gaze)));
    out.mutable_gaze()->set_looking_at_camera((*gaze)[2] >= std::cos(kCameraConeDegrees * M_PI / 180));
  }
  return out;
}

absl::StatusOr<std::vector<Observation>> DecodeObservations(std::string_view payload,
                                                            const google::protobuf::Duration& offset) {
  EyeTrackingPayload read;
  RETURN_IF_ERROR(frame_payload::DecodePayload(kName, payload, &read));
  std::vector<Observation> observations;
  for (const EyeTrackingPayload::Face& face : read.faces()) {
    if (!IsComplete(face)) return frame_payload::BadPayload(kName, "has a face without its place");
    *observations.emplace_back(ToObservation(face)).mutable_offset() = offset;
  }
  return observations;
}

}  // namespace reelsight::eye_tracking
