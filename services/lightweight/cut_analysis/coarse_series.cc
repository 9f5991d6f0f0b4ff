// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/coarse_series.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace reelsight::cut_analysis {
namespace {

// Sums are taken in so many lanes, so that a vector unit can take them, in the same order on every machine.
constexpr size_t kLanes = 8;

using Lanes = std::array<float, kLanes>;

float Total(const Lanes& lanes) {
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

// Means of the 3x3 cells around each; at the border of what there is. A cell's value is `cells` / `unit`.
void AppendBlurred(const std::vector<int>& cells, int unit, int width, int height, std::vector<float>& out) {
  std::vector<int> columns(width);
  for (int y = 0; y < height; ++y) {
    const int top = std::max(0, y - 1), bottom = std::min(height - 1, y + 1);
    for (int x = 0; x < width; ++x) {
      columns[x] = cells[y * width + x];
      if (top < y) columns[x] += cells[top * width + x];
      if (bottom > y) columns[x] += cells[bottom * width + x];
    }
    for (int x = 0; x < width; ++x) {
      const int left = std::max(0, x - 1), right = std::min(width - 1, x + 1);
      int sum = columns[x];
      if (left < x) sum += columns[left];
      if (right > x) sum += columns[right];
      out.push_back(static_cast<float>(sum) / static_cast<float>(unit * (bottom - top + 1) * (right - left + 1)));
    }
  }
}

std::vector<float> MakeValues(const FrameFeatures& features) {
  const int width = features.grid_width / 2, height = features.grid_height / 2;
  std::vector<int> luma(static_cast<size_t>(width) * height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const uint8_t* const cell = &features.luma[static_cast<size_t>(2 * y) * features.grid_width + 2 * x];
      luma[y * width + x] = cell[0] + cell[1] + cell[features.grid_width] + cell[features.grid_width + 1];
    }
  }
  std::vector<float> values;
  values.reserve(3 * luma.size() + kLanes);
  AppendBlurred(luma, 4, width, height, values);
  AppendBlurred({features.u.begin(), features.u.end()}, 1, width, height, values);
  AppendBlurred({features.v.begin(), features.v.end()}, 1, width, height, values);
  return values;
}

}  // namespace

CoarseSeries::CoarseSeries(std::span<const SeriesFrame> series) {
  points_.reserve(series.size());
  for (const SeriesFrame& frame : series) {
    Point& point = points_.emplace_back();
    point.values = MakeValues(frame.features);
    point.size = point.values.size();
    point.values.resize((point.size + kLanes - 1) / kLanes * kLanes, 0.0F);
  }
}

float CoarseSeries::Distance(int a, int b) const { return DistanceFromMix(a, b, b, 0); }

float CoarseSeries::DistanceFromMix(int k, int from, int to, float share) const {
  const Point &point = points_[k], &a = points_[from], &b = points_[to];
  if (point.size != a.size || a.size != b.size) return 255;
  const float *const p = point.values.data(), *const pa = a.values.data(), *const pb = b.values.data();
  Lanes sums{};
  for (size_t i = 0; i < point.values.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float start = pa[i + lane];
      const float difference = p[i + lane] - start - share * (pb[i + lane] - start);
      sums[lane] += difference * difference;
    }
  }
  return std::sqrt(Total(sums) / static_cast<float>(point.size));
}

float CoarseSeries::Share(int k, int from, int to) const {
  const Point &point = points_[k], &a = points_[from], &b = points_[to];
  if (point.size != a.size || a.size != b.size) return 0;
  const float *const p = point.values.data(), *const pa = a.values.data(), *const pb = b.values.data();
  Lanes dots{}, norms{};
  for (size_t i = 0; i < point.values.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float way = pb[i + lane] - pa[i + lane];
      dots[lane] += (p[i + lane] - pa[i + lane]) * way;
      norms[lane] += way * way;
    }
  }
  const float norm = Total(norms);
  return norm > 0 ? Total(dots) / norm : 0;
}

}  // namespace reelsight::cut_analysis
