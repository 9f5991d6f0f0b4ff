// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/inference/boxes.h"

namespace reelsight::object_detection {

// The payload of one frame: 24 bytes a box, little-endian.
std::string EncodeDetections(const std::vector<inference::Detection>& detections);
// INVALID_ARGUMENT, BAD_FRAME, if it is no such payload or a number in it is not finite.
absl::StatusOr<std::vector<inference::Detection>> DecodeDetections(std::string_view payload);

}  // namespace reelsight::object_detection
