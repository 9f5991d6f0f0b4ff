// SPDX-License-Identifier: Apache-2.0
#include "services/segmentation/background_segmentation/mask.h"

#include <png.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "opencv2/imgproc.hpp"
#include "shared/base/status.h"

namespace reelsight::background_segmentation {
namespace {

constexpr uint8_t kForeground = 128;

GreyImage Shrink(const GreyImage& image, int max_side_px, int interpolation) {
  const auto [width, height] = image.size;
  if (std::max(width, height) <= max_side_px) return image;
  const double scale = static_cast<double>(max_side_px) / std::max(width, height);
  const auto side = [&](int px) { return std::max(1, static_cast<int>(std::lround(px * scale))); };
  GreyImage out{{side(width), side(height)}, {}};
  out.pixels.resize(static_cast<size_t>(out.size.width_px) * out.size.height_px);
  const cv::Mat source(height, width, CV_8UC1, const_cast<uint8_t*>(image.pixels.data()));
  cv::Mat target(out.size.height_px, out.size.width_px, CV_8UC1, out.pixels.data());
  cv::resize(source, target, target.size(), 0, 0, interpolation);
  return out;
}

}  // namespace

GreyImage ShrinkByMean(const GreyImage& image, int max_side_px) { return Shrink(image, max_side_px, cv::INTER_AREA); }

GreyImage ShrinkByNearest(const GreyImage& image, int max_side_px) {
  return Shrink(image, max_side_px, cv::INTER_NEAREST_EXACT);
}

absl::StatusOr<std::string> EncodePng(const GreyImage& image) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.size.width_px);
  png.height = static_cast<png_uint_32>(image.size.height_px);
  png.format = PNG_FORMAT_GRAY;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(png), '\0');
  png_alloc_size_t size = bytes.size();
  if (png_image_write_to_memory(&png, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr) == 0) {
    return MakeError(absl::StatusCode::kInternal, Reason::kInternal, absl::StrCat("PNG: ", png.message));
  }
  bytes.resize(size);
  return bytes;
}

std::vector<int32_t> EncodeRunLengths(const GreyImage& image) {
  std::vector<int32_t> lengths(1, 0);
  bool foreground = false;
  for (const uint8_t pixel : image.pixels) {
    if ((pixel >= kForeground) != foreground) {
      lengths.push_back(0);
      foreground = !foreground;
    }
    ++lengths.back();
  }
  return lengths;
}

}  // namespace reelsight::background_segmentation
