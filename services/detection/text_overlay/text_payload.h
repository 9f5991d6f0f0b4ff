// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/detection/text_overlay/text_reader.h"

namespace reelsight::text_overlay {

// What AnalyzeFrames tells Summarize of one frame.
struct FrameText {
  // Size of the picture that the quads are in.
  int width_px = 0;
  int height_px = 0;
  PictureText text;
};

// The payload of one frame, a payload.v1.TextOverlayPayload.
std::string EncodeFrameText(const FrameText& frame);
// The statuses of frame_payload::DecodePayload.
absl::StatusOr<FrameText> DecodeFrameText(std::string_view payload);

}  // namespace reelsight::text_overlay
