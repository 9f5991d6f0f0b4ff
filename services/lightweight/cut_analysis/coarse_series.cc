// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/coarse_series.h"

#include <algorithm>
#include <cmath>

namespace reelsight::cut_analysis {
namespace {

// 3x3 mean; at the border of what there is.
void AppendBlurred(const std::vector<float>& cells, int width, int height, std::vector<float>& out) {
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      float sum = 0, count = 0;
      for (int row = std::max(0, y - 1); row <= std::min(height - 1, y + 1); ++row) {
        for (int column = std::max(0, x - 1); column <= std::min(width - 1, x + 1); ++column) {
          sum += cells[row * width + column];
          count += 1;
        }
      }
      out.push_back(sum / count);
    }
  }
}

std::vector<float> MakePoint(const FrameFeatures& features) {
  const int width = features.grid_width / 2, height = features.grid_height / 2;
  std::vector<float> luma(static_cast<size_t>(width) * height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const uint8_t* const cell = &features.luma[static_cast<size_t>(2 * y) * features.grid_width + 2 * x];
      luma[y * width + x] =
          0.25F * static_cast<float>(cell[0] + cell[1] + cell[features.grid_width] + cell[features.grid_width + 1]);
    }
  }
  std::vector<float> point;
  point.reserve(3 * luma.size());
  AppendBlurred(luma, width, height, point);
  AppendBlurred({features.u.begin(), features.u.end()}, width, height, point);
  AppendBlurred({features.v.begin(), features.v.end()}, width, height, point);
  return point;
}

}  // namespace

CoarseSeries::CoarseSeries(std::span<const SeriesFrame> series) {
  points_.reserve(series.size());
  for (const SeriesFrame& frame : series) points_.push_back(MakePoint(frame.features));
}

float CoarseSeries::Distance(int a, int b) const { return DistanceFromMix(a, b, b, 0); }

float CoarseSeries::DistanceFromMix(int k, int from, int to, float share) const {
  const std::vector<float>&point = points_[k], &a = points_[from], &b = points_[to];
  if (point.size() != a.size() || a.size() != b.size()) return 255;
  float sum = 0;
  for (size_t i = 0; i < point.size(); ++i) {
    const float difference = point[i] - a[i] - share * (b[i] - a[i]);
    sum += difference * difference;
  }
  return std::sqrt(sum / static_cast<float>(point.size()));
}

float CoarseSeries::Share(int k, int from, int to) const {
  const std::vector<float>&point = points_[k], &a = points_[from], &b = points_[to];
  if (point.size() != a.size() || a.size() != b.size()) return 0;
  float dot = 0, norm = 0;
  for (size_t i = 0; i < point.size(); ++i) {
    dot += (point[i] - a[i]) * (b[i] - a[i]);
    norm += (b[i] - a[i]) * (b[i] - a[i]);
  }
  return norm > 0 ? dot / norm : 0;
}

}  // namespace reelsight::cut_analysis
