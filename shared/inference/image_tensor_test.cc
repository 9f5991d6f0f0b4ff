// SPDX-License-Identifier: Apache-2.0
//
// Held against OpenCV, the implementation that the models were trained with.
#include "shared/inference/image_tensor.h"

#include <cmath>
#include <opencv2/imgproc.hpp>
#include <random>

#include "gtest/gtest.h"

namespace reelsight::inference {
namespace {

using analysis::Image;
using analysis::PixelFormat;

std::shared_ptr<Image> RandomRgb(int width_px, int height_px, uint32_t seed) {
  auto image = std::make_shared<Image>(PixelFormat::kRgb24, analysis::ImageSize{width_px, height_px});
  std::mt19937 random(seed);
  for (int i = 0; i < width_px * height_px * 3; ++i) image->mutable_plane(0)[i] = static_cast<uint8_t>(random());
  return image;
}

cv::Mat AsMat(const Image& image) {
  return cv::Mat(image.height_px(), image.width_px(), CV_8UC3, const_cast<uint8_t*>(image.plane(0)));
}

// Values of an NHWC tensor against a CV_32FC3 picture.
float LargestDifference(const Tensor& tensor, const cv::Mat& expected) {
  float worst = 0;
  const std::span<const float> values = tensor.values<float>();
  for (int y = 0; y < expected.rows; ++y) {
    for (int x = 0; x < expected.cols * 3; ++x) {
      worst =
          std::max(worst, std::abs(values[static_cast<size_t>(y * expected.cols * 3 + x)] - expected.ptr<float>(y)[x]));
    }
  }
  return worst;
}

TEST(ToTensorTest, ResizesAsOpenCvDoes) {
  constexpr uint32_t kSeed = 7;
  SCOPED_TRACE(kSeed);
  const auto image = RandomRgb(113, 67, kSeed);
  for (const auto& [width, height] : {std::pair(64, 64), std::pair(113, 67), std::pair(200, 40), std::pair(1, 1)}) {
    cv::Mat expected;
    AsMat(*image).convertTo(expected, CV_32FC3);
    cv::resize(expected, expected, {width, height}, 0, 0, cv::INTER_LINEAR);
    const auto placed = ToTensor(*image, {.width_px = width, .height_px = height, .layout = Layout::kNhwc});
    ASSERT_TRUE(placed.ok()) << placed.status();
    // OpenCV's places are floats, ours are doubles until the weight.
    EXPECT_LT(LargestDifference(placed->tensor, expected), 0.02F) << width << "x" << height;
  }
}

TEST(ToTensorTest, LetterboxesAndTellsWhereThePictureLies) {
  const auto image = RandomRgb(100, 50, 3);
  const auto placed = ToTensor(*image, {.width_px = 64, .height_px = 64, .fit = Fit::kLetterboxCentered, .fill = 114});
  ASSERT_TRUE(placed.ok());
  const auto at = [&](int c, int y, int x) { return placed->tensor.values<float>()[(c * 64 + y) * 64 + x]; };
  EXPECT_EQ(at(0, 0, 0), 114);
  EXPECT_EQ(at(2, 63, 63), 114);
  EXPECT_NE(at(0, 32, 32), 114);
  double x = 0, y = 0;
  placed->to_picture.Apply(0, 16, &x, &y);
  EXPECT_NEAR(x, 0, 1e-9);
  EXPECT_NEAR(y, 0, 1e-9);
  placed->to_picture.Apply(64, 48, &x, &y);
  EXPECT_NEAR(x, 1, 1e-9);
  EXPECT_NEAR(y, 1, 1e-9);
}

TEST(ToTensorTest, NormalisesAndReordersChannels) {
  auto image = std::make_shared<Image>(PixelFormat::kRgb24, analysis::ImageSize{1, 1});
  image->mutable_plane(0)[0] = 10;
  image->mutable_plane(0)[1] = 20;
  image->mutable_plane(0)[2] = 30;
  const auto placed =
      ToTensor(*image, {.width_px = 1, .height_px = 1, .mean = {1, 2, 3}, .scale = {2, 3, 4}, .bgr = true});
  ASSERT_TRUE(placed.ok());
  const std::span<const float> values = placed->tensor.values<float>();
  EXPECT_EQ(values[0], (30 - 3) * 4);
  EXPECT_EQ(values[1], (20 - 2) * 3);
  EXPECT_EQ(values[2], (10 - 1) * 2);
}

TEST(ToTensorTest, I420IsAboutItsRgb) {
  auto image = std::make_shared<Image>(PixelFormat::kI420, analysis::ImageSize{5, 3});
  for (int i = 0; i < 15; ++i) image->mutable_plane(0)[i] = 81;
  for (int i = 0; i < 6; ++i) image->mutable_plane(1)[i] = 90;
  for (int i = 0; i < 6; ++i) image->mutable_plane(2)[i] = 240;
  const auto placed = ToTensor(*image, {.width_px = 4, .height_px = 4, .layout = Layout::kNhwc, .type = DType::kUint8});
  ASSERT_TRUE(placed.ok());
  const std::span<const uint8_t> values = placed->tensor.values<uint8_t>();
  // BT.601 red.
  EXPECT_NEAR(values[0], 255, 2);
  EXPECT_NEAR(values[1], 0, 2);
  EXPECT_NEAR(values[2], 0, 2);
}

TEST(ToTensorTest, GrayIsRefused) {
  const Image gray(PixelFormat::kGray8, {4, 4});
  EXPECT_FALSE(ToTensor(gray, {.width_px = 4, .height_px = 4}).ok());
}

TEST(WarpToTensorTest, WarpsAsOpenCvDoes) {
  const auto image = RandomRgb(90, 70, 11);
  const Affine affine = {.a = 0.7, .b = -0.3, .c = 20, .d = 0.25, .e = 0.9, .f = -6};
  cv::Mat expected, source;
  AsMat(*image).convertTo(source, CV_32FC3);
  // cv counts from pixel centres.
  const double shift_x = affine.a * 0.5 + affine.b * 0.5 + affine.c - 0.5;
  const double shift_y = affine.d * 0.5 + affine.e * 0.5 + affine.f - 0.5;
  const cv::Mat matrix = (cv::Mat_<double>(2, 3) << affine.a, affine.b, shift_x, affine.d, affine.e, shift_y);
  cv::warpAffine(source, expected, matrix, {64, 48}, cv::INTER_LINEAR | cv::WARP_INVERSE_MAP, cv::BORDER_CONSTANT,
                 {9, 9, 9});
  const auto placed =
      WarpToTensor(*image, affine, {.width_px = 64, .height_px = 48, .layout = Layout::kNhwc, .fill = 9});
  ASSERT_TRUE(placed.ok());
  // OpenCV rounds the places of a warp to 1/32 of a pixel, so a difference of 255 moves a value by up to 8 on each
  // axis.
  EXPECT_LT(LargestDifference(placed->tensor, expected), 12.0F);
  double mean = 0;
  for (int y = 0; y < 48; ++y) {
    for (int x = 0; x < 64 * 3; ++x) {
      mean += std::abs(placed->tensor.values<float>()[static_cast<size_t>(y * 64 * 3 + x)] - expected.ptr<float>(y)[x]);
    }
  }
  EXPECT_LT(mean / (48 * 64 * 3), 1.5);
}

}  // namespace
}  // namespace reelsight::inference
