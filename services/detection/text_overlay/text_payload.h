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

// The payload of one frame: 40 bytes a reading and its text, little-endian.
std::string EncodeFrameText(const FrameText& frame);
// INVALID_ARGUMENT, BAD_FRAME, if it is no such payload or a number in it is not finite.
absl::StatusOr<FrameText> DecodeFrameText(std::string_view payload);

}  // namespace reelsight::text_overlay
