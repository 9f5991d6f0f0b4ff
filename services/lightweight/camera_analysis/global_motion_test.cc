// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/camera_analysis/global_motion.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <random>

#include "gtest/gtest.h"
#include "services/lightweight/camera_analysis/texture_scene.h"
#include "shared/base/status.h"

namespace reelsight::camera_analysis {
namespace {

using analysis::Image;
using analysis::PixelFormat;

GlobalMotion Estimate(const Image& earlier, const Image& later) {
  const absl::StatusOr<GlobalMotion> motion = EstimateMotion(earlier, later);
  EXPECT_TRUE(motion.ok()) << motion.status();
  return *motion;
}

TEST(GlobalMotionTest, MeasuresShiftsFromATenthOfAPixelToManyPixels) {
  const TextureScene scene(320, 180, 1);
  const auto first = scene.Render({}, {}, 1);
  for (const double pixels : {0.1, 0.3, 1.0, 2.5, 8.0, 20.0}) {
    const auto second = scene.Render({.x_widths = pixels / 320, .y_heights = -0.5 * pixels / 180}, {}, 2);
    const GlobalMotion motion = Estimate(*first, *second);
    // The picture moves against the camera.
    EXPECT_NEAR(motion.shift_x_px, -pixels, 0.02 + 0.01 * pixels);
    EXPECT_NEAR(motion.shift_y_px, 0.5 * pixels, 0.02 + 0.01 * pixels);
    EXPECT_NEAR(motion.log_scale, 0, 5e-4);
    EXPECT_NEAR(motion.turn_radians, 0, 5e-4);
    EXPECT_GT(motion.inlier_share, 0.8);
    EXPECT_FALSE(motion.repeated);
  }
}

TEST(GlobalMotionTest, MeasuresZoomAndRollInPortraitToo) {
  const TextureScene scene(180, 320, 2);
  const auto first = scene.Render({});
  for (const double change : {-0.03, -0.003, 0.001, 0.01, 0.05}) {
    const GlobalMotion zoom = Estimate(*first, *scene.Render({.log_scale = change}));
    EXPECT_NEAR(zoom.log_scale, change, 1e-4 + 0.01 * std::abs(change));
    EXPECT_NEAR(zoom.shift_x_px, 0, 0.05);
    // A camera that turns clockwise turns the picture the other way.
    const GlobalMotion roll = Estimate(*first, *scene.Render({.clockwise_turns = change / (2 * std::numbers::pi)}));
    EXPECT_NEAR(roll.turn_radians, -change, 1e-4 + 0.01 * std::abs(change));
    EXPECT_NEAR(roll.shift_y_px, 0, 0.05);
  }
}

TEST(GlobalMotionTest, LooksPastAMovingForeground) {
  const TextureScene scene(320, 180, 3);
  for (const double share : {0.2, 0.35}) {
    const auto first = scene.Render({}, Disc{.x_widths = 0.45, .y_heights = 0.55, .share = share}, 1);
    const auto second =
        scene.Render({.x_widths = 1.0 / 320}, Disc{.x_widths = 0.45 + 4.0 / 320, .y_heights = 0.55, .share = share}, 2);
    const GlobalMotion motion = Estimate(*first, *second);
    EXPECT_NEAR(motion.shift_x_px, -1, 0.04) << share;
    EXPECT_NEAR(motion.shift_y_px, 0, 0.04) << share;
    EXPECT_LT(motion.inlier_share, 0.9);
    EXPECT_GT(motion.inlier_share, 0.4);
  }
}

TEST(GlobalMotionTest, IsUnmovedByAChangeOfBrightness) {
  const TextureScene scene(320, 180, 4);
  const auto first = scene.Render({});
  const auto second = scene.Render({.x_widths = 2.0 / 320});
  Image dark(PixelFormat::kGray8, second->size());
  for (size_t i = 0; i < dark.bytes().size(); ++i) {
    dark.mutable_plane(0)[i] = static_cast<uint8_t>(second->bytes()[i] * 0.7 + 5);
  }
  const GlobalMotion motion = Estimate(*first, dark);
  EXPECT_NEAR(motion.shift_x_px, -2, 0.1);
  EXPECT_GT(motion.inlier_share, 0.7);
}

TEST(GlobalMotionTest, PicturesWithoutTextureGiveNoMotion) {
  for (const uint8_t level : {0, 128, 255}) {
    Image flat(PixelFormat::kGray8, {320, 180}), other(PixelFormat::kGray8, {320, 180});
    std::memset(flat.mutable_plane(0), level, flat.bytes().size());
    std::memset(other.mutable_plane(0), level / 2, other.bytes().size());
    EXPECT_EQ(Estimate(flat, other).inlier_share, 0);
    const GlobalMotion same = Estimate(flat, flat);
    EXPECT_EQ(same.inlier_share, 0);
    EXPECT_EQ(same.points, 0);
  }
}

TEST(GlobalMotionTest, UnrelatedPicturesGiveNoMotion) {
  const auto one = TextureScene(320, 180, 5).Render({}), other = TextureScene(320, 180, 99).Render({});
  EXPECT_LT(Estimate(*one, *other).inlier_share, 0.35);
}

TEST(GlobalMotionTest, EqualPicturesAreARepeatedFrame) {
  const auto picture = TextureScene(320, 180, 6).Render({});
  const GlobalMotion motion = Estimate(*picture, *picture);
  EXPECT_TRUE(motion.repeated);
  EXPECT_EQ(motion.shift_x_px, 0);
  EXPECT_EQ(motion.inlier_share, 1);
}

TEST(GlobalMotionTest, PicturesOfOneLineAreNoError) {
  for (const analysis::ImageSize size : {analysis::ImageSize{400, 1}, analysis::ImageSize{1, 400}}) {
    analysis::Image earlier(analysis::PixelFormat::kGray8, size), later(analysis::PixelFormat::kGray8, size);
    for (int i = 0; i < 400; ++i) {
      earlier.mutable_plane(0)[i] = static_cast<uint8_t>(i * 37);
      later.mutable_plane(0)[i] = static_cast<uint8_t>(i * 37 + 74);
    }
    EXPECT_TRUE(EstimateMotion(earlier, later).ok()) << size.width_px << "x" << size.height_px;
  }
}

TEST(GlobalMotionTest, TinyPicturesAreNoError) {
  for (const int side : {2, 6, 12, 20, 33}) {
    const TextureScene scene(side, side, 7);
    EXPECT_TRUE(EstimateMotion(*scene.Render({}), *scene.Render({.x_widths = 0.1})).ok()) << side;
  }
}

TEST(GlobalMotionTest, RefusesOtherLayoutsAndUnequalSizes) {
  const Image gray(PixelFormat::kGray8, {32, 32}), large(PixelFormat::kGray8, {64, 32}),
      rgb(PixelFormat::kRgb24, {32, 32});
  EXPECT_EQ(GetReason(EstimateMotion(gray, large).status()), "BAD_FRAME");
  EXPECT_EQ(GetReason(EstimateMotion(rgb, rgb).status()), "BAD_FRAME");
}

// 200 points that follow one similarity with noise of `noise_px`, of which the first `outliers` follow another.
std::vector<TrackedPoint> Points(int outliers, double noise_px) {
  std::mt19937 random(17);
  std::normal_distribution<double> noise(0, noise_px);
  std::vector<TrackedPoint> points;
  for (int i = 0; i < 200; ++i) {
    TrackedPoint point{.x_px = static_cast<double>(random() % 320), .y_px = static_cast<double>(random() % 180)};
    const double x = point.x_px - 160, y = point.y_px - 90;
    if (i < outliers) {
      point.to_x_px = point.x_px + 3 + noise(random);
      point.to_y_px = point.y_px - 1 + noise(random);
    } else {
      // log_scale 0.01, turn 0.005, shift (0.5, -0.25).
      const double a = std::exp(0.01) * std::cos(0.005), b = std::exp(0.01) * std::sin(0.005);
      point.to_x_px = 160 + a * x - b * y + 0.5 + noise(random);
      point.to_y_px = 90 + b * x + a * y - 0.25 + noise(random);
    }
    points.push_back(point);
  }
  return points;
}

TEST(FitMotionTest, FindsTheMotionOfMostPoints) {
  for (const int outliers : {0, 40, 80}) {
    const GlobalMotion motion = FitMotion(Points(outliers, 0.05), 160, 90);
    EXPECT_NEAR(motion.shift_x_px, 0.5, 0.03) << outliers;
    EXPECT_NEAR(motion.shift_y_px, -0.25, 0.03);
    EXPECT_NEAR(motion.log_scale, 0.01, 3e-4);
    EXPECT_NEAR(motion.turn_radians, 0.005, 3e-4);
    EXPECT_NEAR(motion.inlier_share, 1 - outliers / 200.0, 0.06);
  }
}

TEST(FitMotionTest, WeightsDecide) {
  std::vector<TrackedPoint> points = Points(120, 0.05);
  EXPECT_NEAR(FitMotion(points, 160, 90).shift_x_px, 3, 0.05);
  for (int i = 0; i < 120; ++i) points[i].weight = 0.3;
  EXPECT_NEAR(FitMotion(points, 160, 90).shift_x_px, 0.5, 0.05);
}

TEST(FitMotionTest, TooFewPointsGiveNoMotion) {
  std::vector<TrackedPoint> points = Points(0, 0);
  points.resize(7);
  EXPECT_EQ(FitMotion(points, 160, 90).inlier_share, 0);
  EXPECT_EQ(FitMotion({}, 160, 90).inlier_share, 0);
  // All on one spot.
  EXPECT_EQ(FitMotion(std::vector<TrackedPoint>(20, points[0]), 160, 90).inlier_share, 0);
}

TEST(WeighByAreaTest, CrowdedPointsCountLessThanLonelyOnesAndTheBorderMost) {
  std::vector<TrackedPoint> points;
  // A crowd left of the centre, lonely points elsewhere.
  for (int i = 0; i < 50; ++i) points.push_back({.x_px = 100.0 + i % 10, .y_px = 80.0 + i / 10.0});
  points.push_back({.x_px = 310, .y_px = 90});
  points.push_back({.x_px = 220, .y_px = 90});
  WeighByArea(points, 320, 180);
  for (int i = 0; i < 50; ++i) EXPECT_LT(points[i].weight, points[51].weight);
  EXPECT_GT(points[50].weight, points[51].weight);
  EXPECT_TRUE(std::all_of(points.begin(), points.end(), [](const TrackedPoint& point) { return point.weight > 0; }));
}

}  // namespace
}  // namespace reelsight::camera_analysis
