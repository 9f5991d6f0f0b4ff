// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/db_postprocess.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace reelsight::text_overlay {
namespace {

// Regions with a shorter side, in pixels of the map, are noise.
constexpr float kMinSidePx = 3;
// A line of text begins where the tops of two neighbours in order are so far apart.
constexpr float kLineGapPx = 10;

// Corners of a rectangle in the order of TextRegion, by RapidOCR's rule: the two leftmost ones are the left side.
Quad Ordered(const cv::RotatedRect& rectangle) {
  std::array<cv::Point2f, 4> corners;
  rectangle.points(corners.data());
  std::stable_sort(corners.begin(), corners.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
  const bool left_down = corners[1].y > corners[0].y, right_down = corners[3].y > corners[2].y;
  const cv::Point2f& top_left = corners[left_down ? 0 : 1];
  const cv::Point2f& bottom_left = corners[left_down ? 1 : 0];
  const cv::Point2f& top_right = corners[right_down ? 2 : 3];
  const cv::Point2f& bottom_right = corners[right_down ? 3 : 2];
  return {Point{top_left.x, top_left.y}, Point{top_right.x, top_right.y}, Point{bottom_right.x, bottom_right.y},
          Point{bottom_left.x, bottom_left.y}};
}

// Mean of the map in the quad: RapidOCR's score mode `fast`, corners cut to whole pixels.
float MeanScore(const cv::Mat& map, const Quad& quad) {
  float left = quad[0].x, right = quad[0].x, top = quad[0].y, bottom = quad[0].y;
  for (const Point& corner : quad) {
    left = std::min(left, corner.x);
    right = std::max(right, corner.x);
    top = std::min(top, corner.y);
    bottom = std::max(bottom, corner.y);
  }
  const int x0 = std::clamp(static_cast<int>(std::floor(left)), 0, map.cols - 1),
            x1 = std::clamp(static_cast<int>(std::ceil(right)), 0, map.cols - 1),
            y0 = std::clamp(static_cast<int>(std::floor(top)), 0, map.rows - 1),
            y1 = std::clamp(static_cast<int>(std::ceil(bottom)), 0, map.rows - 1);
  const cv::Rect window(x0, y0, x1 - x0 + 1, y1 - y0 + 1);
  cv::Mat mask = cv::Mat::zeros(window.size(), CV_8U);
  std::vector<cv::Point> corners;
  for (const Point& corner : quad) {
    corners.emplace_back(static_cast<int>(corner.x - static_cast<float>(x0)),
                         static_cast<int>(corner.y - static_cast<float>(y0)));
  }
  cv::fillPoly(mask, std::vector<std::vector<cv::Point>>{corners}, cv::Scalar(1));
  return static_cast<float>(cv::mean(map(window), mask)[0]);
}

// The rectangle grown on all sides. RapidOCR offsets its outline by round joins and takes the smallest rectangle around
// that, which is this rectangle but for the rounding of Clipper's integers.
cv::RotatedRect Grown(const cv::RotatedRect& rectangle, float ratio) {
  const float perimeter = 2 * (rectangle.size.width + rectangle.size.height);
  const float distance = rectangle.size.area() * ratio / perimeter;
  return {rectangle.center, cv::Size2f(rectangle.size.width + 2 * distance, rectangle.size.height + 2 * distance),
          rectangle.angle};
}

// To whole pixels of the picture, within it.
Quad Placed(const Quad& quad, float scale_x, float scale_y, int picture_width_px, int picture_height_px) {
  Quad placed;
  for (size_t i = 0; i < 4; ++i) {
    placed[i].x = std::clamp(std::nearbyint(quad[i].x * scale_x), 0.0F, static_cast<float>(picture_width_px - 1));
    placed[i].y = std::clamp(std::nearbyint(quad[i].y * scale_y), 0.0F, static_cast<float>(picture_height_px - 1));
  }
  return placed;
}

float Distance(const Point& a, const Point& b) { return std::hypot(a.x - b.x, a.y - b.y); }

void SortForReading(std::vector<TextRegion>* regions) {
  std::stable_sort(regions->begin(), regions->end(),
                   [](const TextRegion& a, const TextRegion& b) { return a.quad[0].y < b.quad[0].y; });
  for (auto line = regions->begin(); line != regions->end();) {
    auto next = line + 1;
    while (next != regions->end() && next->quad[0].y - (next - 1)->quad[0].y < kLineGapPx) ++next;
    std::stable_sort(line, next, [](const TextRegion& a, const TextRegion& b) { return a.quad[0].x < b.quad[0].x; });
    line = next;
  }
}

}  // namespace

std::vector<TextRegion> FindDbRegions(std::span<const float> map, int width_px, int height_px, int picture_width_px,
                                      int picture_height_px, const DbOptions& options) {
  const cv::Mat scores(height_px, width_px, CV_32F, const_cast<float*>(map.data()));
  cv::Mat mask = scores > options.threshold;
  // The kernel of 2 x 2 closes gaps of one pixel.
  cv::dilate(mask, mask, cv::Mat::ones(2, 2, CV_8U));
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(mask, contours, cv::RETR_LIST, cv::CHAIN_APPROX_SIMPLE);
  if (contours.size() > static_cast<size_t>(options.max_candidates)) contours.resize(options.max_candidates);

  const float scale_x = static_cast<float>(picture_width_px) / static_cast<float>(width_px),
              scale_y = static_cast<float>(picture_height_px) / static_cast<float>(height_px);
  std::vector<TextRegion> regions;
  for (const std::vector<cv::Point>& contour : contours) {
    const cv::RotatedRect rectangle = cv::minAreaRect(contour);
    if (std::min(rectangle.size.width, rectangle.size.height) < kMinSidePx) continue;
    const float score = MeanScore(scores, Ordered(rectangle));
    if (score < options.min_score) continue;
    const cv::RotatedRect grown = Grown(rectangle, options.unclip_ratio);
    if (std::min(grown.size.width, grown.size.height) < kMinSidePx + 2) continue;
    const Quad quad = Placed(Ordered(grown), scale_x, scale_y, picture_width_px, picture_height_px);
    if (std::floor(Distance(quad[0], quad[1])) <= 3 || std::floor(Distance(quad[0], quad[3])) <= 3) continue;
    regions.push_back({quad, score});
  }
  SortForReading(&regions);
  return regions;
}

}  // namespace reelsight::text_overlay
