// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/text_payload.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "shared/base/status.h"

namespace reelsight::text_overlay {
namespace {

static_assert(std::endian::native == std::endian::little, "payloads are little-endian");
static_assert(sizeof(Quad) == 32, "a quad is eight floats");

struct Header {
  int32_t width_px;
  int32_t height_px;
  int32_t reading_count;
  int32_t skipped_regions;
};

template <typename T>
void Append(const T& value, std::string* payload) {
  static_assert(std::is_trivially_copyable_v<T>);
  payload->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <typename T>
bool Take(std::string_view* payload, T* value) {
  if (payload->size() < sizeof(T)) return false;
  std::memcpy(value, payload->data(), sizeof(T));
  payload->remove_prefix(sizeof(T));
  return true;
}

bool IsFinite(const Reading& reading) {
  for (const Point& corner : reading.quad) {
    if (!std::isfinite(corner.x) || !std::isfinite(corner.y)) return false;
  }
  return std::isfinite(reading.score);
}

}  // namespace

std::string EncodeFrameText(const FrameText& frame) {
  std::string payload;
  Append(Header{frame.width_px, frame.height_px, static_cast<int32_t>(frame.text.readings.size()),
                frame.text.skipped_regions},
         &payload);
  for (const Reading& reading : frame.text.readings) {
    Append(reading.quad, &payload);
    Append(reading.score, &payload);
    Append(static_cast<uint32_t>(reading.text.size()), &payload);
    payload += reading.text;
  }
  return payload;
}

absl::StatusOr<FrameText> DecodeFrameText(std::string_view payload) {
  const absl::Status malformed =
      InvalidArgument(Reason::kBadFrame, "a frame result of text_overlay is malformed: it is not of this version");
  Header header;
  if (!Take(&payload, &header) || header.width_px < 1 || header.height_px < 1) return malformed;
  FrameText frame{.width_px = header.width_px, .height_px = header.height_px};
  frame.text.skipped_regions = header.skipped_regions;
  for (int32_t i = 0; i < header.reading_count; ++i) {
    Reading reading;
    uint32_t length = 0;
    if (!Take(&payload, &reading.quad) || !Take(&payload, &reading.score) || !Take(&payload, &length) ||
        payload.size() < length || !IsFinite(reading)) {
      return malformed;
    }
    reading.text = payload.substr(0, length);
    payload.remove_prefix(length);
    frame.text.readings.push_back(std::move(reading));
  }
  if (!payload.empty()) return malformed;
  return frame;
}

}  // namespace reelsight::text_overlay
