// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/text_payload.h"

#include <utility>

#include "reelsight/payload/v1/text_overlay.pb.h"
#include "services/frame_payload/frame_payload.h"
#include "shared/base/status.h"

namespace reelsight::text_overlay {
namespace {

constexpr char kName[] = "text_overlay";

}  // namespace

std::string EncodeFrameText(const FrameText& frame) {
  payload::v1::TextOverlayPayload payload;
  payload.set_width_px(frame.width_px);
  payload.set_height_px(frame.height_px);
  payload.set_skipped_regions(frame.text.skipped_regions);
  for (const Reading& reading : frame.text.readings) {
    payload::v1::TextOverlayPayload::Reading& out = *payload.add_readings();
    for (const Point& corner : reading.quad) {
      out.add_quad(corner.x);
      out.add_quad(corner.y);
    }
    out.set_score(reading.score);
    out.set_text(reading.text);
  }
  return frame_payload::EncodePayload(payload);
}

absl::StatusOr<FrameText> DecodeFrameText(std::string_view payload) {
  payload::v1::TextOverlayPayload read;
  RETURN_IF_ERROR(frame_payload::DecodePayload(kName, payload, &read));
  if (read.width_px() < 1 || read.height_px() < 1) return frame_payload::BadPayload(kName, "has no size");
  FrameText frame{.width_px = read.width_px(), .height_px = read.height_px()};
  frame.text.skipped_regions = read.skipped_regions();
  for (payload::v1::TextOverlayPayload::Reading& in : *read.mutable_readings()) {
    if (in.quad_size() != 8) return frame_payload::BadPayload(kName, "has a text without its place");
    Reading reading{.text = std::move(*in.mutable_text()), .score = in.score()};
    for (int i = 0; i < 4; ++i) reading.quad[static_cast<size_t>(i)] = {in.quad(2 * i), in.quad(2 * i + 1)};
    frame.text.readings.push_back(std::move(reading));
  }
  return frame;
}

}  // namespace reelsight::text_overlay
