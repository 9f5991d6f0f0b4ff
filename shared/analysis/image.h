// SPDX-License-Identifier: Apache-2.0
//
// A picture in memory, immutable and shared. Not a decoder's frame: those stay inside orchestrator/decode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "reelsight/analyzer/v1/analyzer_service.pb.h"

namespace reelsight::analysis {

// Layouts; analyzer.v1 documents planes and value ranges.
enum class PixelFormat { kI420 = 1, kRgb24 = 2, kGray8 = 3 };

analyzer::v1::PixelFormat ToProto(PixelFormat format);
// INVALID_ARGUMENT for PIXEL_FORMAT_UNSPECIFIED and unknown values.
absl::StatusOr<PixelFormat> FromProto(analyzer::v1::PixelFormat format);

// Longest side of any picture, coded or displayed, in the decoder as in the analyzers. Below it the fixed-point
// arithmetic of libyuv (16.16 bits, right up to sides of 32,767) and of OpenCV (coordinates of 16 bits) has room, and
// no plane or row of bytes of a picture, three for each pixel, is beyond an int.
inline constexpr int kMaxSidePx = 16384;

// The picture an analyzer wants; see analyzer.v1.FrameSpec.
struct FrameSpec {
  PixelFormat format = PixelFormat::kI420;
  int max_side_px = 0;
  int width_px = 0;
  int height_px = 0;
  auto operator<=>(const FrameSpec&) const = default;
};
// INVALID_ARGUMENT, BAD_FRAME, for sizes that no picture has.
absl::StatusOr<FrameSpec> FromProto(const analyzer::v1::FrameSpec& spec);

struct ImageSize {
  int width_px = 0;
  int height_px = 0;
  auto operator<=>(const ImageSize&) const = default;
};

// Which side is not 1..kMaxSidePx, and what to do about it; empty if both are.
std::string SideProblem(ImageSize size);

// Size of the picture that `spec` makes of a displayed size; both sides of `displayed` 1..kMaxSidePx, and then those of
// the picture too.
ImageSize SizeFor(const FrameSpec& spec, ImageSize displayed);
// Bytes of a tightly packed picture.
int64_t ImageBytes(PixelFormat format, ImageSize size);

// Tightly packed planes in one buffer. Immutable once shared, so thread-safe.
class Image {
 public:
  // Makes a picture of unset pixels. Both sides 1..kMaxSidePx.
  Image(PixelFormat format, ImageSize size);
  // Takes pixels kept alive by `owner`. INVALID_ARGUMENT, BAD_FRAME, if a side is not 1..kMaxSidePx or `data` is not
  // ImageBytes() long.
  static absl::StatusOr<std::shared_ptr<const Image>> Wrap(PixelFormat format, ImageSize size,
                                                           std::span<const uint8_t> data,
                                                           std::shared_ptr<const void> owner);

  PixelFormat format() const { return format_; }
  ImageSize size() const { return size_; }
  int width_px() const { return size_.width_px; }
  int height_px() const { return size_.height_px; }

  // Planes: I420 has 0 Y, 1 U, 2 V; the others have 0 only.
  const uint8_t* plane(int index) const { return data_ + PlaneOffset(index); }
  int stride_bytes(int index) const;
  std::span<const uint8_t> bytes() const { return {data_, static_cast<size_t>(ImageBytes(format_, size_))}; }

  // For the maker only, before the picture is shared. REQUIRES: not made by Wrap.
  uint8_t* mutable_plane(int index) { return storage_.get() + PlaneOffset(index); }

 private:
  Image() = default;
  size_t PlaneOffset(int index) const;

  PixelFormat format_ = PixelFormat::kGray8;
  ImageSize size_;
  const uint8_t* data_ = nullptr;
  std::unique_ptr<uint8_t[]> storage_;
  std::shared_ptr<const void> owner_;
};

}  // namespace reelsight::analysis
