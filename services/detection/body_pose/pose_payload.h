// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/detection/body_pose/pose.h"

namespace reelsight::body_pose {

// The payload of one frame, a payload.v1.BodyPosePayload.
std::string EncodePoses(const std::vector<Pose>& poses);
// The statuses of frame_payload::DecodePayload.
absl::StatusOr<std::vector<Pose>> DecodePoses(std::string_view payload);

}  // namespace reelsight::body_pose
