// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "reelsight/v1/background_segmentation.pb.h"

namespace reelsight::background_segmentation {

// The payload of one frame, a payload.v1.BackgroundSegmentationPayload, with all classes; the offset stays out.
std::string EncodeFrame(v1::BackgroundSegmentationResult::Frame frame);
// The statuses of frame_payload::DecodePayload.
absl::StatusOr<v1::BackgroundSegmentationResult::Frame> DecodeFrame(std::string_view payload);

}  // namespace reelsight::background_segmentation
