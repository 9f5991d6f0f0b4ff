// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/craft_postprocess.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <opencv2/imgproc.hpp>

namespace reelsight::text_overlay {
namespace {

// Components with fewer pixels of the map are noise.
constexpr int kMinAreaPx = 10;
// EasyOCR's defaults of grouping.
constexpr double kMaxSlope = 0.1;
constexpr double kCenterTolerance = 0.5;
constexpr double kHeightTolerance = 0.5;
constexpr double kGapTolerance = 0.5;
constexpr double kMargin = 0.1;
constexpr double kMinSidePx = 20;

// The smallest rectangle around the set pixels of `mask`, from its corner nearest to the top left; a square-like one is
// laid upright.
Quad AroundMask(const cv::Mat& mask, const cv::Point& origin) {
  std::vector<cv::Point> pixels;
  cv::findNonZero(mask, pixels);
  for (cv::Point& pixel : pixels) pixel += origin;
  std::array<cv::Point2f, 4> corners;
  cv::minAreaRect(pixels).points(corners.data());
  const double width = cv::norm(corners[0] - corners[1]), height = cv::norm(corners[1] - corners[2]);
  if (std::abs(1 - std::max(width, height) / (std::min(width, height) + 1e-5)) <= 0.1) {
    const cv::Rect box = cv::boundingRect(pixels);
    const auto left = static_cast<float>(box.x), top = static_cast<float>(box.y),
               right = static_cast<float>(box.x + box.width - 1), bottom = static_cast<float>(box.y + box.height - 1);
    corners = {cv::Point2f{left, top}, {right, top}, {right, bottom}, {left, bottom}};
  }
  const auto first = std::min_element(corners.begin(), corners.end(),
                                      [](const auto& a, const auto& b) { return a.x + a.y < b.x + b.y; });
  std::rotate(corners.begin(), first, corners.end());
  Quad quad;
  for (size_t i = 0; i < 4; ++i) quad[i] = {corners[i].x, corners[i].y};
  return quad;
}

// An upright word.
struct UprightBox {
  double left = 0, right = 0, top = 0, bottom = 0;
  double center_y() const { return (top + bottom) / 2; }
  double height() const { return bottom - top; }
};

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

bool IsUpright(const Quad& word) {
  const double up = (word[1].y - word[0].y) / std::max(10.0F, word[1].x - word[0].x);
  const double down = (word[2].y - word[3].y) / std::max(10.0F, word[2].x - word[3].x);
  return std::max(std::abs(up), std::abs(down)) < kMaxSlope;
}

UprightBox BoxOf(const Quad& word) {
  UprightBox box{word[0].x, word[0].x, word[0].y, word[0].y};
  for (const Point& corner : word) {
    box.left = std::min<double>(box.left, corner.x);
    box.right = std::max<double>(box.right, corner.x);
    box.top = std::min<double>(box.top, corner.y);
    box.bottom = std::max<double>(box.bottom, corner.y);
  }
  return box;
}

CraftLine LineOf(const UprightBox& box) {
  const double margin = std::floor(kMargin * std::min(box.right - box.left, box.height()));
  const auto left = static_cast<float>(box.left - margin), right = static_cast<float>(box.right + margin),
             top = static_cast<float>(box.top - margin), bottom = static_cast<float>(box.bottom + margin);
  return {.quad = {Point{left, top}, {right, top}, {right, bottom}, {left, bottom}}, .upright = true};
}

// A slanted word with a margin along its diagonals.
CraftLine SlantedLine(const Quad& word) {
  const double height = std::hypot(word[3].x - word[0].x, word[3].y - word[0].y),
               width = std::hypot(word[1].x - word[0].x, word[1].y - word[0].y);
  const double margin = std::floor(1.44 * kMargin * std::min(width, height));
  const double down = std::abs(std::atan((word[0].y - word[2].y) / std::max(10.0F, word[0].x - word[2].x))),
               up = std::abs(std::atan((word[1].y - word[3].y) / std::max(10.0F, word[1].x - word[3].x)));
  const auto moved = [](const Point& point, double x, double y) {
    return Point{static_cast<float>(point.x + x), static_cast<float>(point.y + y)};
  };
  return {.quad = {moved(word[0], -std::cos(down) * margin, -std::sin(down) * margin),
                   moved(word[1], std::cos(up) * margin, -std::sin(up) * margin),
                   moved(word[2], std::cos(down) * margin, std::sin(down) * margin),
                   moved(word[3], -std::cos(up) * margin, std::sin(up) * margin)},
          .upright = false};
}

// Words of one row, from left to right, joined where the gap is small.
void JoinRow(std::vector<UprightBox> row, std::vector<CraftLine>* lines) {
  std::stable_sort(row.begin(), row.end(), [](const auto& a, const auto& b) { return a.left < b.left; });
  for (size_t begin = 0; begin < row.size();) {
    UprightBox joined = row[begin];
    std::vector<double> heights = {joined.height()};
    double reach = joined.right;
    size_t end = begin + 1;
    for (; end < row.size(); ++end) {
      const UprightBox& next = row[end];
      const double height = Mean(heights);
      if (std::abs(height - next.height()) >= kHeightTolerance * height ||
          next.left - reach >= kGapTolerance * next.height()) {
        break;
      }
      heights.push_back(next.height());
      reach = next.right;
      joined = {std::min(joined.left, next.left), std::max(joined.right, next.right), std::min(joined.top, next.top),
                std::max(joined.bottom, next.bottom)};
    }
    lines->push_back(LineOf(joined));
    begin = end;
  }
}

}  // namespace

std::vector<TextRegion> FindCraftWords(std::span<const float> region_map, std::span<const float> affinity_map,
                                       int width_px, int height_px, const CraftOptions& options) {
  const cv::Mat text(height_px, width_px, CV_32F, const_cast<float*>(region_map.data())),
      link(height_px, width_px, CV_32F, const_cast<float*>(affinity_map.data()));
  const cv::Mat is_text = text > options.low_text, is_link = link > options.link_threshold;
  cv::Mat labels, stats, centroids;
  const int count = cv::connectedComponentsWithStats(is_text | is_link, labels, stats, centroids, 4);
  std::vector<float> strongest(static_cast<size_t>(count), 0.0F);
  for (int y = 0; y < height_px; ++y) {
    for (int x = 0; x < width_px; ++x) {
      float& value = strongest[static_cast<size_t>(labels.at<int>(y, x))];
      value = std::max(value, text.at<float>(y, x));
    }
  }
  std::vector<TextRegion> words;
  for (int k = 1; k < count; ++k) {
    const int area = stats.at<int>(k, cv::CC_STAT_AREA);
    if (area < kMinAreaPx || strongest[static_cast<size_t>(k)] < options.text_threshold) continue;
    const int x = stats.at<int>(k, cv::CC_STAT_LEFT), y = stats.at<int>(k, cv::CC_STAT_TOP),
              w = stats.at<int>(k, cv::CC_STAT_WIDTH), h = stats.at<int>(k, cv::CC_STAT_HEIGHT);
    // Characters lie close together at the threshold; growing gives back what it cut off.
    const int grow = static_cast<int>(std::sqrt(static_cast<double>(area) * std::min(w, h) / (w * h)) * 2);
    const cv::Rect window =
        cv::Rect(x - grow, y - grow, w + 2 * grow + 1, h + 2 * grow + 1) & cv::Rect(0, 0, width_px, height_px);
    // Pixels that only link are no text.
    cv::Mat mask = (labels(window) == k) & ~(is_link(window) & ~is_text(window));
    cv::dilate(mask, mask, cv::getStructuringElement(cv::MORPH_RECT, {1 + grow, 1 + grow}));
    if (cv::countNonZero(mask) == 0) continue;
    words.push_back({AroundMask(mask, window.tl()), strongest[static_cast<size_t>(k)]});
  }
  return words;
}

std::vector<CraftLine> GroupCraftWords(const std::vector<Quad>& words) {
  std::vector<UprightBox> upright;
  std::vector<CraftLine> slanted, lines;
  for (const Quad& word : words) {
    if (IsUpright(word)) {
      upright.push_back(BoxOf(word));
    } else {
      slanted.push_back(SlantedLine(word));
    }
  }
  std::stable_sort(upright.begin(), upright.end(),
                   [](const auto& a, const auto& b) { return a.center_y() < b.center_y(); });
  for (size_t begin = 0; begin < upright.size();) {
    std::vector<double> heights = {upright[begin].height()}, centers = {upright[begin].center_y()};
    size_t end = begin + 1;
    for (; end < upright.size(); ++end) {
      if (std::abs(Mean(centers) - upright[end].center_y()) >= kCenterTolerance * Mean(heights)) break;
      heights.push_back(upright[end].height());
      centers.push_back(upright[end].center_y());
    }
    const auto from = upright.begin() + static_cast<std::ptrdiff_t>(begin),
               to = upright.begin() + static_cast<std::ptrdiff_t>(end);
    JoinRow({from, to}, &lines);
    begin = end;
  }
  lines.insert(lines.end(), slanted.begin(), slanted.end());
  std::erase_if(lines, [](const CraftLine& line) {
    const UprightBox box = BoxOf(line.quad);
    return std::max(box.right - box.left, box.height()) <= kMinSidePx;
  });
  return lines;
}

}  // namespace reelsight::text_overlay
