// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/camera_analysis/texture_scene.h"

#include <cmath>
#include <cstring>
#include <numbers>

#include "opencv2/imgproc.hpp"

namespace reelsight::camera_analysis {
namespace {

constexpr int kOversample = 3;

// Blobs of several sizes, as natural pictures have.
cv::Mat MakeTexture(int side_px, uint32_t seed) {
  cv::RNG random(seed);
  cv::Mat sum = cv::Mat::zeros(side_px, side_px, CV_32F);
  for (const double sigma : {2.0, 5.0, 15.0}) {
    cv::Mat noise(side_px, side_px, CV_32F);
    random.fill(noise, cv::RNG::NORMAL, 0, 1);
    cv::GaussianBlur(noise, noise, cv::Size(), sigma);
    sum += noise * (20 * sigma);
  }
  return sum + 128;
}

}  // namespace

TextureScene::TextureScene(int width_px, int height_px, uint32_t seed)
    : width_px_(width_px),
      height_px_(height_px),
      background_(MakeTexture(1200, seed)),
      foreground_(MakeTexture(800, seed + 1)) {}

cv::Mat TextureScene::View(const cv::Mat& texture, const CameraPose& pose) const {
  const double zoom = kOversample * std::exp(pose.log_scale), angle = -2 * std::numbers::pi * pose.clockwise_turns;
  const double cos = zoom * std::cos(angle), sin = zoom * std::sin(angle);
  const double x = texture.cols / 2.0 + pose.x_widths * width_px_, y = texture.rows / 2.0 + pose.y_heights * height_px_;
  const cv::Size size(width_px_ * kOversample, height_px_ * kOversample);
  const cv::Matx23d matrix(cos, -sin, (size.width - 1) / 2.0 - cos * x + sin * y,  //
                           sin, cos, (size.height - 1) / 2.0 - sin * x - cos * y);
  cv::Mat view;
  cv::warpAffine(texture, view, matrix, size, cv::INTER_CUBIC, cv::BORDER_REFLECT);
  cv::resize(view, view, cv::Size(width_px_, height_px_), 0, 0, cv::INTER_AREA);
  return view;
}

std::shared_ptr<const analysis::Image> TextureScene::Render(const CameraPose& pose, const std::optional<Disc>& disc,
                                                            uint32_t noise_seed) const {
  cv::Mat view = View(background_, pose);
  if (disc.has_value()) {
    const cv::Mat front = View(foreground_, {.x_widths = -disc->x_widths, .y_heights = -disc->y_heights});
    cv::Mat mask = cv::Mat::zeros(view.size(), CV_8U);
    const double radius = std::sqrt(disc->share * width_px_ * height_px_ / std::numbers::pi);
    cv::circle(mask, cv::Point2d(disc->x_widths * width_px_, disc->y_heights * height_px_),
               static_cast<int>(std::lround(radius)), 255, cv::FILLED);
    front.copyTo(view, mask);
  }
  if (noise_seed != 0) {
    cv::RNG random(noise_seed);
    cv::Mat noise(view.size(), CV_32F);
    random.fill(noise, cv::RNG::NORMAL, 0, 2);
    view += noise;
  }
  cv::Mat gray;
  view.convertTo(gray, CV_8U);
  auto image =
      std::make_shared<analysis::Image>(analysis::PixelFormat::kGray8, analysis::ImageSize{width_px_, height_px_});
  std::memcpy(image->mutable_plane(0), gray.data, image->bytes().size());
  return image;
}

}  // namespace reelsight::camera_analysis
