// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/camera_analysis/global_motion.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "opencv2/imgproc.hpp"
#include "opencv2/video/tracking.hpp"
#include "shared/base/status.h"

namespace reelsight::camera_analysis {
namespace {

// Corners: the picture is cut into cells, about this many along its longer side, and each gives its best one. So a
// strongly textured object gets no more points than its area is due.
constexpr int kCellsAlong = 14;
constexpr int kCornerDistancePx = 5;
constexpr int kMarginPx = 5;
constexpr int kHalveFromPx = 240;
// Weakest corner taken, as a share of the strongest and absolutely (in CornerStrength's units).
constexpr float kCornerQuality = 0.002f;
constexpr float kCornerMinimum = 2e-5f;

// For a picture of 320 pixels; smaller for smaller ones.
constexpr int kWindowPx = 13;
constexpr int kSmallestWindowPx = 9;
// Pictures are followed from a quarter of their size on. Where few points agree on a fast motion or on none, it is
// looked for from an eighth on; slow motion would be found less well there.
constexpr int kPyramidLevels = 2;
constexpr int kFastPyramidLevels = 3;
constexpr double kFewAgree = 0.6;
// As a share of the longer side.
constexpr double kFastMotion = 0.03;
constexpr int kMaxIterations = 10;
constexpr double kIterationStopPx = 0.02;

constexpr int kMinPoints = 8;
constexpr double kMinInlierWeight = 0.25;
// A sharp fit that so much of the weight follows is taken.
constexpr double kEnoughWeight = 0.35;
// Bounds of the area that a point stands for, as multiples of the mean: one bad point must not decide.
constexpr double kLeastArea = 0.25;
constexpr double kMostArea = 4;
constexpr double kCenterWeight = 0.2;
constexpr int kHypotheses = 160;
// Residuals of this size are noise of the tracker; larger ones are allowed in proportion to the motion, because real
// lenses and depth bend it.
constexpr double kNoisePx = 0.1;
constexpr double kBend = 0.03;

// to - center = [a -b; b a] (from - center) + (x, y).
struct Similarity {
  double a = 1, b = 0, x = 0, y = 0;
};

struct Centered {
  double x, y, to_x, to_y, weight;
};

double SquaredResidual(const Similarity& motion, const Centered& point) {
  const double x = motion.a * point.x - motion.b * point.y + motion.x - point.to_x;
  const double y = motion.b * point.x + motion.a * point.y + motion.y - point.to_y;
  return x * x + y * y;
}

// Weighted least squares; nullopt if the points lie on one spot.
std::optional<Similarity> Fit(const std::vector<Centered>& points, const std::vector<double>& weights) {
  double total = 0, x = 0, y = 0, to_x = 0, to_y = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    total += weights[i];
    x += weights[i] * points[i].x;
    y += weights[i] * points[i].y;
    to_x += weights[i] * points[i].to_x;
    to_y += weights[i] * points[i].to_y;
  }
  if (total <= 0) return std::nullopt;
  x /= total;
  y /= total;
  to_x /= total;
  to_y /= total;
  double spread = 0, dot = 0, cross = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    const double px = points[i].x - x, py = points[i].y - y, qx = points[i].to_x - to_x, qy = points[i].to_y - to_y;
    spread += weights[i] * (px * px + py * py);
    dot += weights[i] * (px * qx + py * qy);
    cross += weights[i] * (px * qy - py * qx);
  }
  if (spread <= 1e-9 * total) return std::nullopt;
  Similarity motion{.a = dot / spread, .b = cross / spread};
  motion.x = to_x - motion.a * x + motion.b * y;
  motion.y = to_y - motion.b * x - motion.a * y;
  return motion;
}

// Sum of Geman and McClure's bounded loss; no more than known to be `limit` or above once it is.
double Loss(const Similarity& motion, const std::vector<Centered>& points, double scale_px, double limit) {
  const double square = scale_px * scale_px;
  double loss = 0;
  for (const Centered& point : points) {
    const double residual = SquaredResidual(motion, point);
    loss += point.weight * residual / (residual + square);
    if (loss >= limit) break;
  }
  return loss;
}

// The same in every run and on every machine.
class Sequence {
 public:
  // In [0, 1).
  double Next() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<double>(state_ >> 11) * 0x1.0p-53;
  }

 private:
  uint64_t state_ = 0x9e3779b97f4a7c15ULL;
};

// Best of many motions, each given by two points or by one point's shift alone.
Similarity Search(const std::vector<Centered>& points, double scale_px) {
  Similarity best;
  double best_loss = Loss(best, points, scale_px, std::numeric_limits<double>::infinity());
  // Points are drawn by their weights.
  std::vector<double> sums(points.size());
  double total = 0;
  for (size_t i = 0; i < points.size(); ++i) sums[i] = total += points[i].weight;
  Sequence sequence;
  const auto draw = [&]() -> const Centered& {
    const auto found = std::upper_bound(sums.begin(), sums.end(), sequence.Next() * total);
    return points[std::min(static_cast<size_t>(found - sums.begin()), points.size() - 1)];
  };
  const auto consider = [&](const Similarity& motion) {
    const double loss = Loss(motion, points, scale_px, best_loss);
    if (loss >= best_loss) return;
    best = motion;
    best_loss = loss;
  };
  for (int i = 0; i < kHypotheses; ++i) {
    const Centered& one = draw();
    const Centered& two = draw();
    consider({.x = one.to_x - one.x, .y = one.to_y - one.y});
    const double x = two.x - one.x, y = two.y - one.y, square = x * x + y * y;
    if (square < 400) continue;
    const double to_x = two.to_x - one.to_x, to_y = two.to_y - one.to_y;
    Similarity motion{.a = (x * to_x + y * to_y) / square, .b = (x * to_y - y * to_x) / square};
    // A picture that doubles or turns upside down between two frames is a wrong pair of points.
    if (std::hypot(motion.a - 1, motion.b) > 0.5) continue;
    motion.x = one.to_x - motion.a * one.x + motion.b * one.y;
    motion.y = one.to_y - motion.b * one.x - motion.a * one.y;
    consider(motion);
  }
  return best;
}

// Root mean square of the motion over the points.
double MotionPx(const Similarity& motion, const std::vector<Centered>& points) {
  double sum = 0;
  for (const Centered& point : points) {
    sum += SquaredResidual(motion, {point.x, point.y, point.x, point.y, 1});
  }
  return std::sqrt(sum / static_cast<double>(points.size()));
}

struct Refined {
  Similarity motion;
  // Shares of the points that follow the motion: by weight and by number.
  double inlier_weight = 0;
  double inlier_share = 0;
};

// Reweighted least squares while the scale of the loss shrinks to `last_scale_px`.
Refined Refine(Similarity motion, const std::vector<Centered>& points, double first_scale_px, double last_scale_px) {
  std::vector<double> weights(points.size());
  for (double scale_px = first_scale_px;; scale_px = std::max(last_scale_px, scale_px / 2)) {
    const double square = scale_px * scale_px;
    for (int round = 0; round < 6; ++round) {
      for (size_t i = 0; i < points.size(); ++i) {
        const double part = square / (square + SquaredResidual(motion, points[i]));
        weights[i] = points[i].weight * part * part;
      }
      const std::optional<Similarity> fitted = Fit(points, weights);
      if (!fitted.has_value()) return {};
      motion = *fitted;
    }
    if (scale_px <= last_scale_px) break;
  }
  const double limit = 9 * last_scale_px * last_scale_px;
  Refined result{.motion = motion};
  double total = 0;
  for (const Centered& point : points) {
    total += point.weight;
    if (SquaredResidual(motion, point) >= limit) continue;
    result.inlier_weight += point.weight;
    result.inlier_share += 1 / static_cast<double>(points.size());
  }
  result.inlier_weight /= total;
  result.inlier_share = std::min(result.inlier_share, 1.0);
  return result;
}

// The smaller eigenvalue of the gradients' second moments over 3x3 pixels (Shi, Tomasi 1994), as cv::cornerMinEigenVal
// has it but in integers up to the last step, which is several times faster. 0 in the outer two rows and columns.
cv::Mat CornerStrength(const cv::Mat& picture) {
  const int width = picture.cols, height = picture.rows;
  cv::Mat strength = cv::Mat::zeros(height, width, CV_32F);
  // Sobel's gradients are 8 times those of the picture, in levels; 9 pixels.
  constexpr float kScale = 1.0F / (255 * 4 * 3) / (255 * 4 * 3);
  // Products of three rows of gradients, and their sums.
  std::array<std::array<std::vector<int32_t>, 3>, 3> products;
  for (auto& rows : products) rows.fill(std::vector<int32_t>(width, 0));
  std::array<std::vector<int32_t>, 3> sums;
  sums.fill(std::vector<int32_t>(width, 0));
  for (int y = 1; y + 1 < height; ++y) {
    const uint8_t* const above = picture.ptr<uint8_t>(y - 1);
    const uint8_t* const row = picture.ptr<uint8_t>(y);
    const uint8_t* const below = picture.ptr<uint8_t>(y + 1);
    int32_t* const xx = products[0][y % 3].data();
    int32_t* const xy = products[1][y % 3].data();
    int32_t* const yy = products[2][y % 3].data();
    for (int x = 1; x < width - 1; ++x) {
      const auto dx = static_cast<int16_t>(above[x + 1] - above[x - 1] + 2 * (row[x + 1] - row[x - 1]) + below[x + 1] -
                                           below[x - 1]);
      const auto dy =
          static_cast<int16_t>(below[x - 1] - above[x - 1] + 2 * (below[x] - above[x]) + below[x + 1] - above[x + 1]);
      xx[x] = dx * dx;
      xy[x] = dx * dy;
      yy[x] = dy * dy;
    }
    if (y < 3) continue;
    for (int i = 0; i < 3; ++i) {
      const int32_t* const one = products[i][0].data();
      const int32_t* const two = products[i][1].data();
      const int32_t* const three = products[i][2].data();
      int32_t* const sum = sums[i].data();
      for (int x = 0; x < width; ++x) sum[x] = one[x] + two[x] + three[x];
    }
    const int32_t* const sxx = sums[0].data();
    const int32_t* const sxy = sums[1].data();
    const int32_t* const syy = sums[2].data();
    float* const out = strength.ptr<float>(y - 1);
    for (int x = 2; x < width - 2; ++x) {
      const float a = 0.5F * static_cast<float>(sxx[x - 1] + sxx[x] + sxx[x + 1]);
      const float b = static_cast<float>(sxy[x - 1] + sxy[x] + sxy[x + 1]);
      const float c = 0.5F * static_cast<float>(syy[x - 1] + syy[x] + syy[x + 1]);
      out[x] = kScale * (a + c - std::sqrt((a - c) * (a - c) + b * b));
    }
  }
  return strength;
}

std::vector<cv::Point2f> FindCorners(const cv::Mat& whole) {
  // A point need not be the very tip of a corner to be followed, so a large picture is searched at half its size.
  const bool halve = std::max(whole.cols, whole.rows) >= kHalveFromPx;
  cv::Mat picture = whole;
  if (halve) {
    // A line of pixels stays one.
    const cv::Size half(std::max(1, whole.cols / 2), std::max(1, whole.rows / 2));
    cv::resize(whole, picture, half, 0, 0, cv::INTER_AREA);
  }
  const float scale = halve ? 2 : 1;
  const float shift = halve ? 0.5F : 0;
  const cv::Mat strength = CornerStrength(picture);
  const int margin = halve ? (kMarginPx + 1) / 2 : kMarginPx;
  const cv::Rect inner(margin, margin, picture.cols - 2 * margin, picture.rows - 2 * margin);
  std::vector<cv::Point2f> corners;
  if (inner.width < kMinPoints || inner.height < kMinPoints) return corners;
  float strongest = 0;
  for (int y = inner.y; y < inner.br().y; ++y) {
    const float* const row = strength.ptr<float>(y);
    strongest = std::max(strongest, *std::max_element(row + inner.x, row + inner.br().x));
  }
  const float weakest = std::max(kCornerMinimum, kCornerQuality * strongest);
  const int cell = std::max(kCornerDistancePx, (std::max(inner.width, inner.height) + kCellsAlong - 1) / kCellsAlong);
  for (int top = inner.y; top < inner.br().y; top += cell) {
    for (int left = inner.x; left < inner.br().x; left += cell) {
      float best = 0;
      cv::Point place;
      for (int y = top; y < std::min(top + cell, inner.br().y); ++y) {
        const float* above = strength.ptr<float>(y - 1);
        const float* row = strength.ptr<float>(y);
        const float* below = strength.ptr<float>(y + 1);
        for (int x = left; x < std::min(left + cell, inner.br().x); ++x) {
          const float value = row[x];
          if (value < weakest || value <= best) continue;
          // The edge of a cell must not cut a slope that ends in the next one.
          if (value < row[x - 1] || value <= row[x + 1] || value < above[x] || value <= below[x]) continue;
          best = value;
          place = {x, y};
        }
      }
      if (best > 0) corners.emplace_back(static_cast<float>(place.x), static_cast<float>(place.y));
    }
  }
  for (cv::Point2f& corner : corners) corner = {scale * corner.x + shift, scale * corner.y + shift};
  return corners;
}

// A copy of `picture`, smoothed a little: less noise, and less of the error that linear interpolation makes.
cv::Mat Smooth(const analysis::Image& picture) {
  const cv::Mat wrapped(picture.height_px(), picture.width_px(), CV_8UC1, const_cast<uint8_t*>(picture.plane(0)),
                        static_cast<size_t>(picture.stride_bytes(0)));
  cv::Mat smooth;
  cv::GaussianBlur(wrapped, smooth, cv::Size(3, 3), 0);
  return smooth;
}

// Gives `later` the brightness and contrast of `earlier` where a fade or a flash changed them.
void MatchExposure(const cv::Mat& earlier, cv::Mat& later) {
  cv::Scalar mean1, mean2, deviation1, deviation2;
  cv::meanStdDev(earlier, mean1, deviation1);
  cv::meanStdDev(later, mean2, deviation2);
  if (std::abs(mean1[0] - mean2[0]) < 2 || deviation2[0] < 2) return;
  const double gain = deviation1[0] / deviation2[0];
  later.convertTo(later, CV_8U, gain, mean1[0] - gain * mean2[0]);
}

int WindowPx(const cv::Mat& picture) {
  return std::clamp(std::max(picture.cols, picture.rows) / 20, kSmallestWindowPx, kWindowPx);
}

// The motion of `corners` between two pictures.
GlobalMotion Follow(const cv::Mat& from, const cv::Mat& to, const std::vector<cv::Point2f>& corners, int levels) {
  std::vector<cv::Point2f> tracked;
  std::vector<uint8_t> found;
  std::vector<float> errors;
  const int window_px = WindowPx(from);
  cv::calcOpticalFlowPyrLK(
      from, to, corners, tracked, found, errors, cv::Size(window_px, window_px), levels,
      cv::TermCriteria(cv::TermCriteria::COUNT + cv::TermCriteria::EPS, kMaxIterations, kIterationStopPx));
  std::vector<TrackedPoint> points;
  for (size_t i = 0; i < corners.size(); ++i) {
    const bool inside = tracked[i].x >= 0 && tracked[i].y >= 0 && tracked[i].x < static_cast<float>(to.cols) &&
                        tracked[i].y < static_cast<float>(to.rows);
    if (found[i] == 0 || !inside) continue;
    points.push_back({corners[i].x, corners[i].y, tracked[i].x, tracked[i].y});
  }
  WeighByArea(points, from.cols, from.rows);
  return FitMotion(points, (from.cols - 1) / 2.0, (from.rows - 1) / 2.0);
}

}  // namespace

void WeighByArea(std::vector<TrackedPoint>& points, int width_px, int height_px) {
  if (points.empty()) return;
  // Each block of the picture belongs to the points nearest to it.
  const int block_px = std::max(4, std::max(width_px, height_px) / 20);
  constexpr size_t kNearest = 3;
  for (TrackedPoint& point : points) point.weight = 0;
  const size_t nearest = std::min(kNearest, points.size());
  double total = 0;
  for (int y = block_px / 2; y < height_px; y += block_px) {
    for (int x = block_px / 2; x < width_px; x += block_px) {
      // The nearest so far, ascending; of equals the earlier one first.
      std::array<std::pair<double, size_t>, kNearest> best;
      best.fill({std::numeric_limits<double>::max(), 0});
      for (size_t i = 0; i < points.size(); ++i) {
        const double dx = points[i].x_px - x, dy = points[i].y_px - y, distance = dx * dx + dy * dy;
        if (distance >= best[nearest - 1].first) continue;
        size_t place = nearest - 1;
        for (; place > 0 && best[place - 1].first > distance; --place) best[place] = best[place - 1];
        best[place] = {distance, i};
      }
      for (size_t i = 0; i < nearest; ++i) points[best[i].second].weight += 1;
      total += static_cast<double>(nearest);
    }
  }
  const double mean = std::max(total, 1.0) / static_cast<double>(points.size());
  for (TrackedPoint& point : points) {
    // In the corners 1, at the centre kCenterWeight.
    const double x = 2 * point.x_px / width_px - 1, y = 2 * point.y_px / height_px - 1;
    const double place = kCenterWeight + (1 - kCenterWeight) * (x * x + y * y) / 2;
    point.weight = place * std::clamp(point.weight / mean, kLeastArea, kMostArea);
  }
}

GlobalMotion FitMotion(const std::vector<TrackedPoint>& points, double center_x_px, double center_y_px) {
  GlobalMotion result;
  result.points = static_cast<int>(points.size());
  if (result.points < kMinPoints) return result;
  std::vector<Centered> centered;
  centered.reserve(points.size());
  for (const TrackedPoint& point : points) {
    centered.push_back({point.x_px - center_x_px, point.y_px - center_y_px, point.to_x_px - center_x_px,
                        point.to_y_px - center_y_px, point.weight});
  }
  // First a sharp fit; where too few points follow it (depth, rolling shutter, blur), a coarser one.
  Refined best;
  for (const double coarseness : {1.0, 4.0, 16.0}) {
    const double search_px = 0.4 * coarseness;
    const Similarity found = Search(centered, search_px);
    const double last_px = std::max(kNoisePx * coarseness, kBend * MotionPx(found, centered));
    best = Refine(found, centered, std::max(search_px, last_px), last_px);
    if (best.inlier_weight >= kEnoughWeight) break;
  }
  if (best.inlier_weight < kMinInlierWeight) return result;
  result.shift_x_px = best.motion.x;
  result.shift_y_px = best.motion.y;
  result.log_scale = std::log(std::hypot(best.motion.a, best.motion.b));
  result.turn_radians = std::atan2(best.motion.b, best.motion.a);
  result.inlier_share = best.inlier_share;
  return result;
}

absl::StatusOr<GlobalMotion> EstimateMotion(const analysis::Image& earlier, const analysis::Image& later) {
  if (earlier.format() != analysis::PixelFormat::kGray8 || later.format() != analysis::PixelFormat::kGray8 ||
      earlier.size() != later.size()) {
    return InvalidArgument(Reason::kBadFrame,
                           "camera_analysis needs GRAY8 pictures of one size; send what Describe asks for");
  }
  const cv::Mat from = Smooth(earlier);
  const std::vector<cv::Point2f> corners = FindCorners(from);
  GlobalMotion result;
  result.points = static_cast<int>(corners.size());
  if (result.points < kMinPoints) return result;
  if (std::memcmp(earlier.plane(0), later.plane(0), earlier.bytes().size()) == 0) {
    result.repeated = true;
    result.inlier_share = 1;
    return result;
  }
  cv::Mat to = Smooth(later);
  MatchExposure(from, to);
  result = Follow(from, to, corners, kPyramidLevels);
  const int longer_px = std::max(from.cols, from.rows), shorter_px = std::min(from.cols, from.rows);
  const bool fast = std::hypot(result.shift_x_px, result.shift_y_px) > kFastMotion * longer_px;
  if (result.inlier_share >= kFewAgree || (result.inlier_share > 0 && !fast) ||
      shorter_px >> kFastPyramidLevels <= WindowPx(from)) {
    return result;
  }
  const GlobalMotion again = Follow(from, to, corners, kFastPyramidLevels);
  return again.inlier_share > result.inlier_share ? again : result;
}

}  // namespace reelsight::camera_analysis
