// SPDX-License-Identifier: Apache-2.0
//
// The record that the classical cut detector keeps of one frame: a small luma grid, a smaller chroma grid, histograms
// and the amount of fine detail. It holds nothing of other frames, so any two frames of a video can be compared later,
// however they were batched or sampled. It is not a picture for anybody to look at.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace reelsight::cut_analysis {

// Planes of an I420 picture, tightly packed; borrowed.
struct I420View {
  const uint8_t* y = nullptr;
  const uint8_t* u = nullptr;
  const uint8_t* v = nullptr;
  int width_px = 0;
  int height_px = 0;
};

// One frame. About 0.9 KiB in a payload.
struct FrameFeatures {
  // Least and most cells of a side of the luma grid.
  static constexpr int kMinSide = 4;
  static constexpr int kMaxSide = 64;
  static constexpr int kLumaBins = 32;
  static constexpr int kChromaBins = 16;

  // Cells of the luma grid, about 576 in all, both sides even; a cell is the mean of its pixels, 0..255. The chroma
  // grids have half as many each way.
  int grid_width = 0;
  int grid_height = 0;
  std::vector<uint8_t> luma;
  std::vector<uint8_t> u;
  std::vector<uint8_t> v;
  // Shares of pixels by value, scaled so that 255 is a quarter of the picture or more. Taken over all pixels.
  std::array<uint8_t, kLumaBins> luma_histogram{};
  std::array<uint8_t, kChromaBins> u_histogram{};
  std::array<uint8_t, kChromaBins> v_histogram{};
  // Mean absolute difference of horizontal and vertical neighbours in luma, in 1/256 levels.
  uint16_t detail = 0;
};

// Both sides of `image` at least 1.
FrameFeatures ExtractFeatures(const I420View& image);

}  // namespace reelsight::cut_analysis
