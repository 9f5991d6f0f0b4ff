// SPDX-License-Identifier: Apache-2.0
//
// What sizes of frames are taken: the one place that says so, for what a container states, for what a decoder gives,
// and for what is displayed of it.
#pragma once

#include "absl/status/status.h"
#include "orchestrator/decode/video_decoder.h"
#include "shared/analysis/image.h"

namespace reelsight::orchestrator {

// FAILED_PRECONDITION, VIDEO_TOO_LARGE, if `size` has more pixels than the limit or a side over analysis::kMaxSidePx.
// `subject` begins the message, as in "the video's frames". Sizes not known yet (0) pass.
absl::Status CheckFrameSize(std::string_view subject, analysis::ImageSize size, const VideoDecoder::Limits& limits);

}  // namespace reelsight::orchestrator
