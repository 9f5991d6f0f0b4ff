// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/made_shots.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace reelsight::cut_analysis {
namespace {

constexpr int kChromaWidth = Canvas::kWidth / 2;
constexpr int kChromaHeight = Canvas::kHeight / 2;

struct Wave {
  double x, y, phase, strength;
};

std::vector<Wave> MakeWaves(std::mt19937& random, double strength) {
  std::uniform_real_distribution<double> frequency(-0.12, 0.12), phase(0, 6.28), share(0.3, 1);
  std::vector<Wave> waves(8);
  for (Wave& wave : waves) wave = {frequency(random), frequency(random), phase(random), strength * share(random)};
  return waves;
}

double Sum(const std::vector<Wave>& waves, double x, double y) {
  double sum = 0;
  for (const Wave& wave : waves) sum += wave.strength * std::sin(wave.x * x + wave.y * y + wave.phase);
  return sum;
}

void AppendPlane(const std::vector<float>& plane, uint8_t* to) {
  for (const float value : plane) *to++ = static_cast<uint8_t>(std::clamp(std::lround(value), 0L, 255L));
}

}  // namespace

Canvas Texture(uint32_t seed, double x, double y) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> light(80, 150), tint(108, 148);
  const double y_mean = light(random), u_mean = tint(random), v_mean = tint(random);
  const std::vector<Wave> luma = MakeWaves(random, 22), u = MakeWaves(random, 7), v = MakeWaves(random, 7);
  Canvas canvas;
  for (int row = 0; row < Canvas::kHeight; ++row) {
    for (int column = 0; column < Canvas::kWidth; ++column) {
      canvas.y.push_back(static_cast<float>(std::clamp(y_mean + Sum(luma, column + x, row + y), 17.0, 234.0)));
    }
  }
  for (int row = 0; row < kChromaHeight; ++row) {
    for (int column = 0; column < kChromaWidth; ++column) {
      canvas.u.push_back(static_cast<float>(u_mean + Sum(u, 2 * column + x, 2 * row + y)));
      canvas.v.push_back(static_cast<float>(v_mean + Sum(v, 2 * column + x, 2 * row + y)));
    }
  }
  return canvas;
}

Canvas Blank(float level) {
  const size_t chroma = static_cast<size_t>(kChromaWidth) * kChromaHeight;
  return {std::vector<float>(static_cast<size_t>(Canvas::kWidth) * Canvas::kHeight, level),
          std::vector<float>(chroma, 128), std::vector<float>(chroma, 128)};
}

Canvas Mix(const Canvas& a, const Canvas& b, float share) {
  const auto mix = [share](const std::vector<float>& from, const std::vector<float>& to) {
    std::vector<float> out(from.size());
    for (size_t i = 0; i < out.size(); ++i) out[i] = from[i] + share * (to[i] - from[i]);
    return out;
  };
  return {mix(a.y, b.y), mix(a.u, b.u), mix(a.v, b.v)};
}

Canvas Brightened(Canvas canvas, float levels) {
  for (float& value : canvas.y) value = std::clamp(value + levels, 16.0F, 235.0F);
  return canvas;
}

Canvas Captioned(Canvas canvas) {
  for (int row = 62; row < 80; ++row) {
    for (int column = 24; column < 136; ++column) {
      if (column % 8 < 5 && row % 9 < 7) canvas.y[row * Canvas::kWidth + column] = 235;
    }
  }
  return canvas;
}

std::shared_ptr<const analysis::Image> ToImage(const Canvas& canvas) {
  auto image = std::make_shared<analysis::Image>(analysis::PixelFormat::kI420,
                                                 analysis::ImageSize{Canvas::kWidth, Canvas::kHeight});
  AppendPlane(canvas.y, image->mutable_plane(0));
  AppendPlane(canvas.u, image->mutable_plane(1));
  AppendPlane(canvas.v, image->mutable_plane(2));
  return image;
}

void AppendShot(Pictures& pictures, uint32_t seed, int count, double speed_px) {
  for (int i = 0; i < count; ++i) pictures.push_back(ToImage(Texture(seed, i * speed_px)));
}

void AppendBlend(Pictures& pictures, const Canvas& from, const Canvas& to, int count) {
  for (int i = 1; i <= count; ++i) {
    pictures.push_back(ToImage(Mix(from, to, static_cast<float>(i) / static_cast<float>(count + 1))));
  }
}

}  // namespace reelsight::cut_analysis
