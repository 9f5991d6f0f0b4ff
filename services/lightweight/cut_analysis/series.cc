// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/series.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "services/lightweight/cut_analysis/frame_matcher.h"

namespace reelsight::cut_analysis {
namespace {

// A cell that is never brighter is border; limited range black is 16.
constexpr uint8_t kBlack = 26;
// Fewer cells than this are not left.
constexpr int kMinCells = 8;

// Cells [left, right) x [top, bottom), all even.
struct Area {
  int left = 0;
  int top = 0;
  int right = 0;
  int bottom = 0;
};

bool SameGrids(const std::vector<FrameFeatures>& features) {
  return std::all_of(features.begin(), features.end(), [&](const FrameFeatures& f) {
    return f.grid_width == features[0].grid_width && f.grid_height == features[0].grid_height;
  });
}

// What lies inside the black borders; all of it if too little would be left.
Area FindPicture(const std::vector<FrameFeatures>& features) {
  const int width = features[0].grid_width, height = features[0].grid_height;
  std::vector<uint8_t> brightest(features[0].luma.size(), 0);
  for (const FrameFeatures& frame : features) {
    for (size_t i = 0; i < brightest.size(); ++i) brightest[i] = std::max(brightest[i], frame.luma[i]);
  }
  Area area{width, height, 0, 0};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      if (brightest[y * width + x] <= kBlack) continue;
      area.left = std::min(area.left, x & ~1);
      area.top = std::min(area.top, y & ~1);
      area.right = std::max(area.right, (x & ~1) + 2);
      area.bottom = std::max(area.bottom, (y & ~1) + 2);
    }
  }
  if (area.right - area.left < std::min(width, kMinCells) || area.bottom - area.top < std::min(height, kMinCells)) {
    return {0, 0, width, height};
  }
  return area;
}

std::vector<uint8_t> Crop(const std::vector<uint8_t>& cells, int width, int left, int top, int right, int bottom) {
  std::vector<uint8_t> out;
  out.reserve(static_cast<size_t>(right - left) * (bottom - top));
  for (int y = top; y < bottom; ++y) {
    out.insert(out.end(), cells.begin() + y * width + left, cells.begin() + y * width + right);
  }
  return out;
}

void Crop(const Area& area, FrameFeatures& frame) {
  const int width = frame.grid_width;
  frame.luma = Crop(frame.luma, width, area.left, area.top, area.right, area.bottom);
  for (std::vector<uint8_t>* const chroma : {&frame.u, &frame.v}) {
    *chroma = Crop(*chroma, width / 2, area.left / 2, area.top / 2, area.right / 2, area.bottom / 2);
  }
  frame.grid_width = area.right - area.left;
  frame.grid_height = area.bottom - area.top;
}

}  // namespace

std::vector<SeriesFrame> MakeSeries(const std::vector<absl::Duration>& offsets, std::vector<FrameFeatures> features) {
  if (!features.empty() && SameGrids(features)) {
    const Area area = FindPicture(features);
    if (area.right - area.left < features[0].grid_width || area.bottom - area.top < features[0].grid_height) {
      for (FrameFeatures& frame : features) Crop(area, frame);
    }
  }
  std::vector<SeriesFrame> series;
  series.reserve(features.size());
  for (size_t i = 0; i < features.size(); ++i) {
    SeriesFrame frame{offsets[i], std::move(features[i]), 0, 0};
    frame.contrast = Contrast(frame.features);
    frame.brightness = Brightness(frame.features);
    series.push_back(std::move(frame));
  }
  return series;
}

}  // namespace reelsight::cut_analysis
