// SPDX-License-Identifier: Apache-2.0
#include "shared/analysis/image.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::analysis {
namespace {

int ChromaSide(int side_px) { return (side_px + 1) / 2; }

}  // namespace

analyzer::v1::PixelFormat ToProto(PixelFormat format) { return static_cast<analyzer::v1::PixelFormat>(format); }

absl::StatusOr<PixelFormat> FromProto(analyzer::v1::PixelFormat format) {
  switch (format) {
    case analyzer::v1::PIXEL_FORMAT_I420:
      return PixelFormat::kI420;
    case analyzer::v1::PIXEL_FORMAT_RGB24:
      return PixelFormat::kRgb24;
    case analyzer::v1::PIXEL_FORMAT_GRAY8:
      return PixelFormat::kGray8;
    default:
      break;
  }
  return InvalidArgument(Reason::kBadFrame,
                         absl::StrCat("unknown pixel format ", static_cast<int>(format), "; use I420, RGB24 or GRAY8"));
}

absl::StatusOr<FrameSpec> FromProto(const analyzer::v1::FrameSpec& spec) {
  FrameSpec out;
  ASSIGN_OR_RETURN(out.format, FromProto(spec.format()));
  if (spec.max_side_px() < 0 || spec.width_px() < 0 || spec.height_px() < 0 ||
      (spec.width_px() > 0) != (spec.height_px() > 0)) {
    return InvalidArgument(Reason::kBadFrame,
                           "frame_spec: sizes must not be negative, and width_px and height_px go "
                           "together");
  }
  if (const std::string problem = SideProblem({spec.width_px(), spec.height_px()});
      spec.width_px() > 0 && !problem.empty()) {
    return InvalidArgument(Reason::kBadFrame, absl::StrCat("frame_spec: ", problem));
  }
  out.max_side_px = spec.width_px() > 0 ? 0 : spec.max_side_px();
  out.width_px = spec.width_px();
  out.height_px = spec.height_px();
  return out;
}

std::string SideProblem(ImageSize size) {
  const auto bad = [](int side_px) { return side_px < 1 || side_px > kMaxSidePx; };
  if (!bad(size.width_px) && !bad(size.height_px)) return "";
  const bool width = bad(size.width_px);
  const int side_px = width ? size.width_px : size.height_px;
  return absl::StrCat("a ", width ? "width" : "height", " of ", side_px, " pixels is ",
                      side_px < 1 ? "none" : absl::StrCat("over ", kMaxSidePx, ", the most that a side may have"),
                      side_px < 1 ? "" : "; scale the video down");
}

ImageSize SizeFor(const FrameSpec& spec, ImageSize displayed) {
  if (spec.width_px > 0) return {spec.width_px, spec.height_px};
  const int longest = std::max(displayed.width_px, displayed.height_px);
  if (spec.max_side_px == 0 || spec.max_side_px >= longest) return displayed;
  const double scale = static_cast<double>(spec.max_side_px) / longest;
  const auto side = [&](int side_px) { return std::max(2, 2 * static_cast<int>(std::lround(side_px * scale / 2))); };
  return {side(displayed.width_px), side(displayed.height_px)};
}

int64_t ImageBytes(PixelFormat format, ImageSize size) {
  const int64_t pixels = static_cast<int64_t>(size.width_px) * size.height_px;
  switch (format) {
    case PixelFormat::kI420:
      return pixels + 2 * static_cast<int64_t>(ChromaSide(size.width_px)) * ChromaSide(size.height_px);
    case PixelFormat::kRgb24:
      return 3 * pixels;
    case PixelFormat::kGray8:
      return pixels;
  }
  return 0;
}

Image::Image(PixelFormat format, ImageSize size)
    : format_(format), size_(size), storage_(new uint8_t[ImageBytes(format, size)]) {
  data_ = storage_.get();
}

absl::StatusOr<std::shared_ptr<const Image>> Image::Wrap(PixelFormat format, ImageSize size,
                                                         std::span<const uint8_t> data,
                                                         std::shared_ptr<const void> owner) {
  if (const std::string problem = SideProblem(size); !problem.empty()) {
    return InvalidArgument(Reason::kBadFrame, problem);
  }
  if (static_cast<int64_t>(data.size()) != ImageBytes(format, size)) {
    return InvalidArgument(Reason::kBadFrame, absl::StrCat("a frame of ", size.width_px, "x", size.height_px,
                                                           " pixels cannot have ", data.size(), " bytes of data"));
  }
  auto image = std::shared_ptr<Image>(new Image());
  image->format_ = format;
  image->size_ = size;
  image->data_ = data.data();
  image->owner_ = std::move(owner);
  return image;
}

int Image::stride_bytes(int index) const {
  if (format_ == PixelFormat::kRgb24) return 3 * size_.width_px;
  return index == 0 ? size_.width_px : ChromaSide(size_.width_px);
}

size_t Image::PlaneOffset(int index) const {
  if (index == 0) return 0;
  const size_t luma = static_cast<size_t>(size_.width_px) * size_.height_px;
  const size_t chroma = static_cast<size_t>(ChromaSide(size_.width_px)) * ChromaSide(size_.height_px);
  return luma + (index - 1) * chroma;
}

}  // namespace reelsight::analysis
