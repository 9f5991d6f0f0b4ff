// SPDX-License-Identifier: Apache-2.0
//
// The colours of one picture, or of many added up: exact sums for the statistics and a sparse histogram in CIELAB for
// the clustering. It travels from AnalyzeFrames to Summarize as the payload.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/lightweight/color_analysis/cielab.h"
#include "shared/analysis/image.h"

namespace reelsight::color_analysis {

// Colours close together, as their mean.
struct ColorCell {
  Lab mean;
  // Pixels.
  int64_t count = 0;
};

// Sums over pixels. All of them add up over pictures.
struct ColorSums {
  int64_t pixels = 0;
  // Lightness / 100 and its square.
  double lightness = 0;
  double squared_lightness = 0;
  // HSV saturation; 0 for black.
  double saturation = 0;
  LinearRgb linear;
  // Pixels that pass for black (L < 6) and for white (L > 96 and a chroma under 6).
  int64_t black_pixels = 0;
  int64_t white_pixels = 0;

  void Add(const ColorSums& other);
};

struct FrameColors {
  ColorSums sums;
  // By falling count; of one picture at most kMaxCells. The counts add up to sums.pixels.
  std::vector<ColorCell> cells;

  // At least 99% of the pixels are black or white.
  bool IsBlack() const { return sums.black_pixels * 100 >= sums.pixels * 99; }
  bool IsWhite() const { return sums.white_pixels * 100 >= sums.pixels * 99; }
};

// Most cells kept of one picture; the rest goes to the nearest of them. Keeps a payload under 4 KiB.
inline constexpr int kMaxCells = 420;

// Cells of one picture or of many: a grid over CIELAB whose cells are 1.25 units of lightness high and 5 units wide in
// a and b, each with the mean of what fell into it. Not thread-safe; reusable after Take.
class ColorHistogram {
 public:
  ColorHistogram();

  void Add(const Lab& lab, int64_t count);
  // The cells by falling count, and leaves the histogram empty. Equal counts keep the order of the grid.
  std::vector<ColorCell> Take();

 private:
  struct Sum {
    int key = 0;
    int64_t count = 0;
    double lightness = 0;
    double a = 0;
    double b = 0;
  };
  // For each cell of the grid its place in sums_, or -1.
  std::vector<int32_t> places_;
  std::vector<Sum> sums_;
};

// `image` is RGB24, else INVALID_ARGUMENT, BAD_FRAME. `histogram` is scratch space, empty before and after.
absl::StatusOr<FrameColors> MeasureColors(const analysis::Image& image, ColorHistogram& histogram);

// The payload of one frame, a payload.v1.ColorAnalysisPayload.
std::string EncodeFrameColors(const FrameColors& colors);
// The statuses of frame_payload::DecodePayload.
absl::StatusOr<FrameColors> DecodeFrameColors(std::string_view payload);

}  // namespace reelsight::color_analysis
