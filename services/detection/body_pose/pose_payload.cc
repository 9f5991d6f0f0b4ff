// SPDX-License-Identifier: Apache-2.0
#include "services/detection/body_pose/pose_payload.h"

#include "reelsight/payload/v1/body_pose.pb.h"
#include "services/frame_payload/frame_payload.h"
#include "shared/base/status.h"

namespace reelsight::body_pose {
namespace {

constexpr char kName[] = "body_pose";
// x, y and score of each joint.
constexpr int kPoseNumbers = 3 * kJointCount;

}  // namespace

std::string EncodePoses(const std::vector<Pose>& poses) {
  payload::v1::BodyPosePayload payload;
  for (const Pose& pose : poses) {
    for (const float side : {pose.box.left, pose.box.top, pose.box.right, pose.box.bottom}) payload.add_boxes(side);
    payload.add_scores(pose.score);
    for (const Keypoint& joint : pose.keypoints) {
      for (const float number : {joint.x, joint.y, joint.score}) payload.add_keypoints(number);
    }
  }
  return frame_payload::EncodePayload(payload);
}

absl::StatusOr<std::vector<Pose>> DecodePoses(std::string_view payload) {
  payload::v1::BodyPosePayload read;
  RETURN_IF_ERROR(frame_payload::DecodePayload(kName, payload, &read));
  const int count = read.scores_size();
  if (read.boxes_size() != 4 * count || read.keypoints_size() != kPoseNumbers * count) {
    return frame_payload::BadPayload(kName, "has not as many boxes and joints as people");
  }
  std::vector<Pose> poses(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    Pose& pose = poses[static_cast<size_t>(i)];
    pose.box = {read.boxes(4 * i), read.boxes(4 * i + 1), read.boxes(4 * i + 2), read.boxes(4 * i + 3)};
    pose.score = read.scores(i);
    int next = kPoseNumbers * i;
    for (Keypoint& joint : pose.keypoints) {
      joint = {read.keypoints(next), read.keypoints(next + 1), read.keypoints(next + 2)};
      next += 3;
    }
  }
  return poses;
}

}  // namespace reelsight::body_pose
