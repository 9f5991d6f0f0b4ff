// SPDX-License-Identifier: Apache-2.0
#include "services/detection/object_detection/detection_payload.h"

#include "reelsight/payload/v1/object_detection.pb.h"
#include "services/frame_payload/frame_payload.h"
#include "shared/base/status.h"

namespace reelsight::object_detection {
namespace {

using inference::Detection;

constexpr char kName[] = "object_detection";

}  // namespace

std::string EncodeDetections(const std::vector<Detection>& detections) {
  payload::v1::ObjectDetectionPayload payload;
  for (const auto& [box, score, label] : detections) {
    for (const float side : {box.left, box.top, box.right, box.bottom}) payload.add_boxes(side);
    payload.add_scores(score);
    payload.add_labels(label);
  }
  return frame_payload::EncodePayload(payload);
}

absl::StatusOr<std::vector<Detection>> DecodeDetections(std::string_view payload) {
  payload::v1::ObjectDetectionPayload read;
  RETURN_IF_ERROR(frame_payload::DecodePayload(kName, payload, &read));
  const int count = read.scores_size();
  if (read.boxes_size() != 4 * count || read.labels_size() != count) {
    return frame_payload::BadPayload(kName, "has not as many boxes as scores");
  }
  std::vector<Detection> detections;
  for (int i = 0; i < count; ++i) {
    detections.push_back(
        {.box = {read.boxes(4 * i), read.boxes(4 * i + 1), read.boxes(4 * i + 2), read.boxes(4 * i + 3)},
         .score = read.scores(i),
         .label = read.labels(i)});
  }
  return detections;
}

}  // namespace reelsight::object_detection
