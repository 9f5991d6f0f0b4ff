// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/frame_size.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {

absl::Status CheckFrameSize(std::string_view subject, analysis::ImageSize size, const VideoDecoder::Limits& limits) {
  if (size.width_px < 1 || size.height_px < 1) return absl::OkStatus();
  std::string problem = analysis::SideProblem(size);
  if (static_cast<int64_t>(size.width_px) * size.height_px > limits.max_frame_pixels) {
    problem = absl::StrCat("this server takes at most ", limits.max_frame_pixels,
                           " pixels (limits.max_frame_pixels of its configuration); scale the video down");
  }
  if (problem.empty()) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLarge,
      absl::StrCat(std::string(subject), " are ", size.width_px, "x", size.height_px, " pixels; ", problem));
}

}  // namespace reelsight::orchestrator
