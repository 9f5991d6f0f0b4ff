// SPDX-License-Identifier: Apache-2.0
//
// A person in a picture by 17 joints, and what the joints tell of what the person does.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "reelsight/v1/body_pose.pb.h"
#include "shared/inference/boxes.h"

namespace reelsight::body_pose {

// COCO's order; `left` and `right` are the person's own.
enum Joint {
  kNose,
  kLeftEye,
  kRightEye,
  kLeftEar,
  kRightEar,
  kLeftShoulder,
  kRightShoulder,
  kLeftElbow,
  kRightElbow,
  kLeftWrist,
  kRightWrist,
  kLeftHip,
  kRightHip,
  kLeftKnee,
  kRightKnee,
  kLeftAnkle,
  kRightAnkle,
};
inline constexpr int kJointCount = 17;

// COCO's name, for instance `left_wrist`.
std::string_view JointName(int joint);

// A place as fractions of the picture; it may lie outside [0, 1].
struct Keypoint {
  float x = 0;
  float y = 0;
  // In [0, 1].
  float score = 0;
};

// One person in one frame.
struct Pose {
  inference::Box box;
  float score = 0;
  std::array<Keypoint, kJointCount> keypoints;
};

// What the body does, as far as its keypoints tell. `aspect`: width over height of the picture, so that angles are
// those on the screen. A joint below 0.3 is not trusted; an action whose joints are not all trusted is not named.
//   ARMS_RAISED  a wrist stands above its shoulder by more than a quarter of the trunk's length
//   STANDING     on a side, trunk and thigh and shank lie within 25 degrees of upright, and the knee is bent by less
//                than 25 degrees
//   SITTING      on a side, the trunk lies within 35 degrees of upright, the thigh within 40 degrees of level, and the
//                knee is bent by more than 50 degrees
std::vector<v1::BodyPoseResult::Action> ActionsOf(const Pose& pose, double aspect);

}  // namespace reelsight::body_pose
