// SPDX-License-Identifier: Apache-2.0
#include "services/detection/object_detection/detection_payload.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "shared/base/status.h"

namespace reelsight::object_detection {
namespace {

using inference::Detection;

static_assert(std::endian::native == std::endian::little, "payloads are little-endian");
static_assert(sizeof(Detection) == 24 && std::is_trivially_copyable_v<Detection>, "a payload is an array of these");

}  // namespace

std::string EncodeDetections(const std::vector<Detection>& detections) {
  return std::string(reinterpret_cast<const char*>(detections.data()), detections.size() * sizeof(Detection));
}

absl::StatusOr<std::vector<Detection>> DecodeDetections(std::string_view payload) {
  std::vector<Detection> detections(payload.size() / sizeof(Detection));
  if (payload.size() % sizeof(Detection) != 0) {
    return InvalidArgument(Reason::kBadFrame, "a frame result of object_detection has a wrong length");
  }
  if (!payload.empty()) std::memcpy(detections.data(), payload.data(), payload.size());
  for (const Detection& detection : detections) {
    const auto& [left, top, right, bottom] = detection.box;
    for (const float value : {left, top, right, bottom, detection.score}) {
      if (!std::isfinite(value)) {
        return InvalidArgument(Reason::kBadFrame, "a frame result of object_detection holds a number that is none");
      }
    }
  }
  return detections;
}

}  // namespace reelsight::object_detection
