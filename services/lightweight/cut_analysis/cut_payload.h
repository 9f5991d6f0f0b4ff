// SPDX-License-Identifier: Apache-2.0
//
// What AnalyzeFrames of cut_analysis hands to Summarize for one frame: the features of the classical detector and,
// where the neural one is to run, its thumbnail.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/lightweight/cut_analysis/frame_features.h"

namespace reelsight::cut_analysis {

// The payload of one frame, a payload.v1.CutAnalysisPayload. `thumbnail` as MakeThumbnail makes it, or empty.
std::string EncodeFrame(const FrameFeatures& features, std::string thumbnail);

struct CutFrame {
  FrameFeatures features;
  // True if ThumbnailOf gives a picture.
  bool has_thumbnail = false;
};

// The statuses of frame_payload::DecodePayload.
absl::StatusOr<CutFrame> DecodeFrame(std::string_view payload);
// The thumbnail alone, so that those of a long video need not be held beside their payloads. REQUIRES: DecodeFrame
// takes `payload`.
std::string ThumbnailOf(std::string_view payload);

}  // namespace reelsight::cut_analysis
