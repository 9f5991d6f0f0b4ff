// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/inference/boxes.h"

namespace reelsight::object_detection {

// The payload of one frame, a payload.v1.ObjectDetectionPayload.
std::string EncodeDetections(const std::vector<inference::Detection>& detections);
// The statuses of frame_payload::DecodePayload.
absl::StatusOr<std::vector<inference::Detection>> DecodeDetections(std::string_view payload);

}  // namespace reelsight::object_detection
