// SPDX-License-Identifier: Apache-2.0
#include "services/segmentation/background_segmentation/background_payload.h"

#include <utility>

#include "reelsight/payload/v1/background_segmentation.pb.h"
#include "services/frame_payload/frame_payload.h"
#include "shared/base/status.h"

namespace reelsight::background_segmentation {

using payload::v1::BackgroundSegmentationPayload;
using Result = v1::BackgroundSegmentationResult;

std::string EncodeFrame(Result::Frame frame) {
  BackgroundSegmentationPayload payload;
  payload.set_foreground_share(frame.foreground_share());
  for (Result::ClassShare& share : *frame.mutable_classes()) {
    BackgroundSegmentationPayload::ClassShare& out = *payload.add_classes();
    out.set_label(std::move(*share.mutable_label()));
    out.set_share(share.share());
  }
  if (frame.has_mask()) {
    BackgroundSegmentationPayload::Mask& mask = *payload.mutable_mask();
    mask.set_width_px(frame.mask().width_px());
    mask.set_height_px(frame.mask().height_px());
    if (frame.mask().has_png()) mask.set_png(std::move(*frame.mutable_mask()->mutable_png()));
    if (frame.mask().has_rle()) *mask.mutable_run_lengths() = frame.mask().rle().lengths();
  }
  return frame_payload::EncodePayload(payload);
}

absl::StatusOr<Result::Frame> DecodeFrame(std::string_view payload) {
  BackgroundSegmentationPayload read;
  RETURN_IF_ERROR(frame_payload::DecodePayload("background_segmentation", payload, &read));
  Result::Frame frame;
  frame.set_foreground_share(read.foreground_share());
  for (BackgroundSegmentationPayload::ClassShare& share : *read.mutable_classes()) {
    Result::ClassShare& out = *frame.add_classes();
    out.set_label(std::move(*share.mutable_label()));
    out.set_share(share.share());
  }
  if (read.has_mask()) {
    Result::Mask& mask = *frame.mutable_mask();
    mask.set_width_px(read.mask().width_px());
    mask.set_height_px(read.mask().height_px());
    if (read.mask().png().empty()) {
      *mask.mutable_rle()->mutable_lengths() = read.mask().run_lengths();
    } else {
      mask.set_png(std::move(*read.mutable_mask()->mutable_png()));
    }
  }
  return frame;
}

}  // namespace reelsight::background_segmentation
