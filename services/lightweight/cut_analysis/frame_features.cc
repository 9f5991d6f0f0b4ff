// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/frame_features.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "opencv2/imgproc.hpp"

namespace reelsight::cut_analysis {
namespace {

constexpr int kCells = 576;

int EvenSide(double cells) {
  return std::clamp(2 * static_cast<int>(std::lround(cells / 2)), FrameFeatures::kMinSide, FrameFeatures::kMaxSide);
}

std::vector<uint8_t> Shrink(const uint8_t* plane, int width_px, int height_px, int grid_width, int grid_height) {
  const cv::Mat source(height_px, width_px, CV_8UC1, const_cast<uint8_t*>(plane));
  std::vector<uint8_t> cells(static_cast<size_t>(grid_width) * grid_height);
  cv::Mat target(grid_height, grid_width, CV_8UC1, cells.data());
  cv::resize(source, target, target.size(), 0, 0, cv::INTER_AREA);
  return cells;
}

template <size_t kBins>
void FillHistogram(const uint8_t* plane, int64_t count, std::array<uint8_t, kBins>& out) {
  // Four tables, so that runs of one value do not wait for each other.
  std::array<std::array<uint32_t, 256>, 4> tables{};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (int lane = 0; lane < 4; ++lane) ++tables[lane][plane[i + lane]];
  }
  for (; i < count; ++i) ++tables[0][plane[i]];
  for (size_t bin = 0; bin < kBins; ++bin) {
    uint64_t sum = 0;
    for (size_t value = bin * 256 / kBins; value < (bin + 1) * 256 / kBins; ++value) {
      for (const auto& table : tables) sum += table[value];
    }
    out[bin] = static_cast<uint8_t>(std::min<uint64_t>(255, (sum * 1020 + count / 2) / count));
  }
}

uint16_t Detail(const I420View& image) {
  const int width = image.width_px, height = image.height_px;
  uint64_t sum = 0;
  for (int row = 0; row + 1 < height; ++row) {
    const uint8_t* const line = image.y + static_cast<int64_t>(row) * width;
    uint32_t line_sum = 0;
    for (int column = 0; column + 1 < width; ++column) {
      line_sum += std::abs(line[column + 1] - line[column]) + std::abs(line[column + width] - line[column]);
    }
    sum += line_sum;
  }
  const uint64_t pairs = std::max<uint64_t>(1, 2 * static_cast<uint64_t>(width - 1) * (height - 1));
  return static_cast<uint16_t>(std::min<uint64_t>(65535, sum * 256 / pairs));
}

}  // namespace

FrameFeatures ExtractFeatures(const I420View& image) {
  FrameFeatures features;
  const double aspect = static_cast<double>(image.width_px) / image.height_px;
  features.grid_width = EvenSide(std::sqrt(kCells * aspect));
  features.grid_height = EvenSide(static_cast<double>(kCells) / features.grid_width);
  const int chroma_width = (image.width_px + 1) / 2, chroma_height = (image.height_px + 1) / 2;
  features.luma = Shrink(image.y, image.width_px, image.height_px, features.grid_width, features.grid_height);
  features.u = Shrink(image.u, chroma_width, chroma_height, features.grid_width / 2, features.grid_height / 2);
  features.v = Shrink(image.v, chroma_width, chroma_height, features.grid_width / 2, features.grid_height / 2);
  FillHistogram(image.y, static_cast<int64_t>(image.width_px) * image.height_px, features.luma_histogram);
  FillHistogram(image.u, static_cast<int64_t>(chroma_width) * chroma_height, features.u_histogram);
  FillHistogram(image.v, static_cast<int64_t>(chroma_width) * chroma_height, features.v_histogram);
  features.detail = Detail(image);
  return features;
}

}  // namespace reelsight::cut_analysis
