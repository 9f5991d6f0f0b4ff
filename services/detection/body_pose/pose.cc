// SPDX-License-Identifier: Apache-2.0
#include "services/detection/body_pose/pose.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace reelsight::body_pose {
namespace {

using Action = v1::BodyPoseResult::Action;

constexpr float kTrusted = 0.3F;
constexpr std::array<std::string_view, kJointCount> kNames = {
    "nose",           "left_eye",   "right_eye",   "left_ear",   "right_ear",   "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
    "right_hip",      "left_knee",  "right_knee",  "left_ankle", "right_ankle"};

// From one joint to another, in heights of the picture; y grows downwards.
struct Limb {
  double x = 0;
  double y = 0;
  bool trusted = false;

  double length() const { return std::hypot(x, y); }
  // Angle to straight down, in [0, 180] degrees.
  double from_vertical() const { return std::atan2(std::abs(x), y) * 180 / std::numbers::pi; }
};

class Body {
 public:
  Body(const Pose& pose, double aspect) : pose_(pose), aspect_(aspect) {}

  Limb Between(int from, int to) const {
    const Keypoint &a = pose_.keypoints[static_cast<size_t>(from)], &b = pose_.keypoints[static_cast<size_t>(to)];
    return {(b.x - a.x) * aspect_, static_cast<double>(b.y) - a.y, a.score >= kTrusted && b.score >= kTrusted};
  }

  bool ArmRaised(int side) const {
    const Limb arm = Between(kLeftShoulder + side, kLeftWrist + side),
               trunk = Between(kLeftShoulder + side, kLeftHip + side);
    return arm.trusted && trunk.trusted && trunk.y > 0 && arm.y < -trunk.length() / 4;
  }

  bool Stands(int side) const {
    const Leg leg = LegOf(side);
    return leg.trusted() && leg.trunk.from_vertical() < 25 && leg.thigh.from_vertical() < 25 &&
           leg.shank.from_vertical() < 25 && leg.bend() < 25;
  }

  bool Sits(int side) const {
    const Leg leg = LegOf(side);
    return leg.trusted() && leg.trunk.from_vertical() < 35 && std::abs(leg.thigh.from_vertical() - 90) < 40 &&
           leg.bend() > 50;
  }

 private:
  struct Leg {
    Limb trunk, thigh, shank;
    bool trusted() const { return trunk.trusted && thigh.trusted && shank.trusted; }
    // Degrees by which the knee is bent.
    double bend() const {
      const double cosine = (thigh.x * shank.x + thigh.y * shank.y) / std::max(1e-9, thigh.length() * shank.length());
      return std::acos(std::clamp(cosine, -1.0, 1.0)) * 180 / std::numbers::pi;
    }
  };

  Leg LegOf(int side) const {
    return {Between(kLeftShoulder + side, kLeftHip + side), Between(kLeftHip + side, kLeftKnee + side),
            Between(kLeftKnee + side, kLeftAnkle + side)};
  }

  const Pose& pose_;
  const double aspect_;
};

}  // namespace

std::string_view JointName(int joint) { return kNames[static_cast<size_t>(joint)]; }

std::vector<Action> ActionsOf(const Pose& pose, double aspect) {
  const Body body(pose, aspect);
  std::vector<Action> actions;
  if (body.ArmRaised(0) || body.ArmRaised(1)) actions.push_back(v1::BodyPoseResult::ARMS_RAISED);
  if (body.Stands(0) || body.Stands(1)) {
    actions.push_back(v1::BodyPoseResult::STANDING);
  } else if (body.Sits(0) || body.Sits(1)) {
    actions.push_back(v1::BodyPoseResult::SITTING);
  }
  return actions;
}

}  // namespace reelsight::body_pose
