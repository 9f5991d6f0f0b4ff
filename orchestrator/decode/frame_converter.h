// SPDX-License-Identifier: Apache-2.0
//
// Makes pictures of decoded frames: scales, turns, deinterlaces, tone-maps and changes the pixel layout.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "orchestrator/decode/video_decoder.h"
#include "shared/analysis/frame_pool.h"
#include "shared/analysis/image.h"
#include "shared/base/cancel_token.h"

namespace reelsight::orchestrator {

// One for each video; used by one thread at a time (it keeps scaler contexts between frames).
class FrameConverter {
 public:
  virtual ~FrameConverter() = default;

  // `info` as VideoDecoder::info() gives it after Open.
  static absl::StatusOr<std::unique_ptr<FrameConverter>> Create(const v1::VideoInfo& info);

  // Size of the pictures made for `spec`.
  virtual analysis::ImageSize SizeFor(const analysis::FrameSpec& spec) const = 0;
  // Writes the picture of `frame` into `image`, which has the spec's layout and SizeFor(spec). The result depends on
  // nothing but the frame and the spec. RESOURCE_EXHAUSTED (OUT_OF_MEMORY) where memory is short.
  virtual absl::Status Convert(const DecodedFrame& frame, const analysis::FrameSpec& spec, analysis::Image& image) = 0;
};

}  // namespace reelsight::orchestrator
