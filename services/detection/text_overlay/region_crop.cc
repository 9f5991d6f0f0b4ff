// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/region_crop.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <opencv2/imgproc.hpp>
#include <set>

#include "services/detection/text_overlay/text_reader.h"
#include "shared/base/status.h"

namespace reelsight::text_overlay {
namespace {

float Length(const Point& a, const Point& b) { return std::hypot(a.x - b.x, a.y - b.y); }

}  // namespace

absl::StatusOr<cv::Mat> AsMat(const analysis::Image& picture) {
  if (picture.format() != analysis::PixelFormat::kRgb24) {
    return InvalidArgument(Reason::kBadFrame, "text_overlay reads RGB24 pictures only");
  }
  return cv::Mat(picture.height_px(), picture.width_px(), CV_8UC3, const_cast<uint8_t*>(picture.plane(0)),
                 static_cast<size_t>(picture.stride_bytes(0)));
}

FlatCrop CropFlat(const cv::Mat& picture, const Quad& quad) {
  const int width = std::max(1, static_cast<int>(std::max(Length(quad[0], quad[1]), Length(quad[2], quad[3]))));
  const int height = std::max(1, static_cast<int>(std::max(Length(quad[0], quad[3]), Length(quad[1], quad[2]))));
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  std::vector<cv::Point2f> from, to = {{0, 0}, {w, 0}, {w, h}, {0, h}};
  for (const Point& corner : quad) from.emplace_back(corner.x, corner.y);
  cv::Mat crop;
  cv::warpPerspective(picture, crop, cv::getPerspectiveTransform(from, to), {width, height}, cv::INTER_CUBIC,
                      cv::BORDER_REPLICATE);
  if (h / w < 1.5F) return {crop, quad};
  cv::rotate(crop, crop, cv::ROTATE_90_COUNTERCLOCKWISE);
  return {crop, {quad[1], quad[2], quad[3], quad[0]}};
}

int KeepLargest(std::vector<TextRegion>* regions) {
  if (regions->size() <= static_cast<size_t>(kMaxRegions)) return 0;
  const auto area = [](const TextRegion& region) {
    return Length(region.quad[0], region.quad[1]) * Length(region.quad[0], region.quad[3]);
  };
  std::vector<size_t> order(regions->size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return area((*regions)[a]) > area((*regions)[b]); });
  order.resize(kMaxRegions);
  std::sort(order.begin(), order.end());
  const int skipped = static_cast<int>(regions->size()) - kMaxRegions;
  std::vector<TextRegion> kept;
  for (const size_t index : order) kept.push_back((*regions)[index]);
  *regions = std::move(kept);
  return skipped;
}

}  // namespace reelsight::text_overlay
