// SPDX-License-Identifier: Apache-2.0
//
// What AnalyzeFrames hands to Summarize for one sampled frame: the motion between it and the frame before it, a small
// picture of it, by which the motion from one sampled frame to the next is measured, and those of these motions that
// its batch allowed to measure already.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/lightweight/camera_analysis/global_motion.h"
#include "shared/analysis/image.h"

namespace reelsight::camera_analysis {

// Longest side of the small picture.
inline constexpr int kThumbnailSidePx = 80;

// The motion from an earlier sampled frame, measured on the small pictures.
struct FollowedMotion {
  // Presentation time of the earlier frame.
  absl::Duration earlier_offset;
  GlobalMotion motion;
};

struct PairPayload {
  // False: the frame came without the one before it, as the first of a video does; the rest is then unset.
  bool has_pair = false;
  // Presentation time of the frame before.
  absl::Duration earlier_offset;
  // Size of the pictures.
  int width_px = 0;
  int height_px = 0;
  GlobalMotion motion;
  // GRAY8, never null; set also without a pair.
  std::shared_ptr<const analysis::Image> thumbnail;
  // What Summarize would measure by the thumbnails, for none, some or all of the frames that it may ask for.
  std::vector<FollowedMotion> followed;
};

// `picture` made small by averaging; never enlarged. INVALID_ARGUMENT, BAD_FRAME, if it is not GRAY8.
absl::StatusOr<std::shared_ptr<const analysis::Image>> MakeThumbnail(const analysis::Image& picture);

// The payload of one frame, a payload.v1.CameraAnalysisPayload.
std::string EncodePair(const PairPayload& pair);
// The statuses of frame_payload::DecodePayload.
absl::StatusOr<PairPayload> DecodePair(std::string_view payload);

}  // namespace reelsight::camera_analysis
