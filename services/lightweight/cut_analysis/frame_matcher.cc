// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/frame_matcher.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace reelsight::cut_analysis {
namespace {

// Side of a block in cells, and how far it is looked for.
constexpr int kBlock = 4;
constexpr int kReach = 2;
// A block whose best place differs by more levels than this is not explained.
constexpr float kUnexplained = 10.0F;

bool SameGrid(const FrameFeatures& a, const FrameFeatures& b) {
  return a.grid_width == b.grid_width && a.grid_height == b.grid_height;
}

int MeanAbsolute(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  int sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum;
}

template <size_t kBins>
float L1(const std::array<uint8_t, kBins>& a, const std::array<uint8_t, kBins>& b) {
  // Smoothed by (1 2 1), scaled by 4.
  const auto smooth = [](const std::array<uint8_t, kBins>& h, size_t i) {
    return (i > 0 ? h[i - 1] : h[i]) + 2 * h[i] + (i + 1 < kBins ? h[i + 1] : h[i]);
  };
  int sum = 0, total = 0;
  for (size_t i = 0; i < kBins; ++i) {
    const int left = smooth(a, i), right = smooth(b, i);
    sum += std::abs(left - right);
    total += left + right;
  }
  return total == 0 ? 0.0F : static_cast<float>(sum) / static_cast<float>(total);
}

// A luma grid in integers: sums of them are exact in whatever order a vector unit takes them. 16 bits, because units
// multiply and add pairs of those at once.
struct Grid {
  int width = 0;
  int height = 0;
  // What one level counts.
  int unit = 1;
  std::vector<int16_t> cells;
};

// Half the cells each way.
Grid Halve(const FrameFeatures& features) {
  Grid out{.width = features.grid_width / 2, .height = features.grid_height / 2, .unit = 4, .cells = {}};
  out.cells.resize(static_cast<size_t>(out.width) * out.height);
  for (int y = 0; y < out.height; ++y) {
    const uint8_t* const row = &features.luma[static_cast<size_t>(2 * y) * features.grid_width];
    for (int x = 0; x < out.width; ++x) {
      const uint8_t* const cell = row + 2 * x;
      out.cells[y * out.width + x] =
          static_cast<int16_t>(cell[0] + cell[1] + cell[features.grid_width] + cell[features.grid_width + 1]);
    }
  }
  return out;
}

Grid Full(const FrameFeatures& features) {
  return {features.grid_width, features.grid_height, 1, {features.luma.begin(), features.luma.end()}};
}

struct Shift {
  int dx = 0;
  int dy = 0;
  float correlation = -2;
};

// Correlation of b(x, y) with a(x + dx, y + dy) where they overlap.
float CorrelationAt(const Grid& a, const Grid& b, int dx, int dy) {
  const int x0 = std::max(0, -dx), x1 = std::min(b.width, a.width - dx);
  const int y0 = std::max(0, -dy), y1 = std::min(b.height, a.height - dy);
  // A side is at most 255 cells, so 32 bits hold a row's squares: 127 of 1020 or 255 of 255.
  int64_t sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  for (int y = y0; y < y1; ++y) {
    const int16_t* const pa = &a.cells[(y + dy) * a.width + dx];
    const int16_t* const pb = &b.cells[y * b.width];
    int32_t row_a = 0, row_b = 0, row_aa = 0, row_bb = 0, row_ab = 0;
    for (int x = x0; x < x1; ++x) {
      row_a += pa[x];
      row_b += pb[x];
      row_aa += pa[x] * pa[x];
      row_bb += pb[x] * pb[x];
      row_ab += pa[x] * pb[x];
    }
    sa += row_a;
    sb += row_b;
    saa += row_aa;
    sbb += row_bb;
    sab += row_ab;
  }
  const auto n = static_cast<double>((x1 - x0) * (y1 - y0));
  // One level of noise keeps blank pictures from correlating by chance.
  const double noise = n * a.unit * a.unit;
  const auto mean_a = static_cast<double>(sa) / n, mean_b = static_cast<double>(sb) / n;
  const double va = static_cast<double>(saa) - static_cast<double>(sa) * mean_a + noise;
  const double vb = static_cast<double>(sbb) - static_cast<double>(sb) * mean_b + noise;
  const double overlap = n / (a.width * a.height);
  const double covariance = static_cast<double>(sab) - static_cast<double>(sa) * mean_b;
  return static_cast<float>(covariance / std::sqrt(va * vb) - 0.3 * (1 - overlap));
}

Shift BestShift(const FrameFeatures& a, const FrameFeatures& b) {
  const Grid coarse_a = Halve(a), coarse_b = Halve(b);
  const int reach_x = coarse_a.width * 6 / 10, reach_y = coarse_a.height * 6 / 10;
  Shift best;
  for (int dy = -reach_y; dy <= reach_y; ++dy) {
    for (int dx = -reach_x; dx <= reach_x; ++dx) {
      // Beyond 60% of the picture gone, chance rules.
      if ((coarse_a.width - std::abs(dx)) * (coarse_a.height - std::abs(dy)) * 10 <
          4 * coarse_a.width * coarse_a.height) {
        continue;
      }
      const float correlation = CorrelationAt(coarse_a, coarse_b, dx, dy);
      if (correlation > best.correlation) best = {dx, dy, correlation};
    }
  }
  const Grid full_a = Full(a), full_b = Full(b);
  Shift fine;
  for (int dy = 2 * best.dy - 1; dy <= 2 * best.dy + 1; ++dy) {
    for (int dx = 2 * best.dx - 1; dx <= 2 * best.dx + 1; ++dx) {
      const float correlation = CorrelationAt(full_a, full_b, dx, dy);
      if (correlation > fine.correlation) fine = {dx, dy, correlation};
    }
  }
  fine.correlation = std::max(fine.correlation, best.correlation);
  return fine;
}

// Sum of the differences of two rectangles in planes of `stride`.
int SumDifferences(const uint8_t* a, const uint8_t* b, size_t stride, int width, int height) {
#ifdef __SSE2__
  if (width == kBlock && height == kBlock) {
    const auto load = [stride](const uint8_t* from) {
      int rows[kBlock];
      for (int row = 0; row < kBlock; ++row) std::memcpy(&rows[row], from + row * stride, kBlock);
      return _mm_setr_epi32(rows[0], rows[1], rows[2], rows[3]);
    };
    const __m128i sums = _mm_sad_epu8(load(a), load(b));
    return _mm_cvtsi128_si32(sums) + _mm_cvtsi128_si32(_mm_unpackhi_epi64(sums, sums));
  }
#endif
  int sum = 0;
  for (int row = 0; row < height; ++row) {
    for (int column = 0; column < width; ++column) sum += std::abs(a[row * stride + column] - b[row * stride + column]);
  }
  return sum;
}

// Mean difference of the block of `b` at (x, y) from `a` at (x + dx, y + dy); large if that is outside. No more than
// known to be `limit` or above once its luma is.
float BlockDifference(const FrameFeatures& a, const FrameFeatures& b, int x, int y, int width, int height, int dx,
                      int dy, float limit) {
  if (x + dx < 0 || y + dy < 0 || x + dx + width > a.grid_width || y + dy + height > a.grid_height) return 1e9F;
  int chroma = 0, chroma_count = 0;
  const auto luma_stride = static_cast<size_t>(a.grid_width);
  const int luma = SumDifferences(&a.luma[(y + dy) * luma_stride + x + dx], &b.luma[y * luma_stride + x], luma_stride,
                                  width, height);
  const float luma_mean = static_cast<float>(luma) / static_cast<float>(width * height);
  if (luma_mean >= limit) return luma_mean;
  const int stride = a.grid_width / 2;
  for (int row = 0; row < height; row += 2) {
    for (int column = 0; column < width; column += 2) {
      const size_t ia = static_cast<size_t>((y + dy + row) / 2) * stride + (x + dx + column) / 2;
      const size_t ib = static_cast<size_t>((y + row) / 2) * stride + (x + column) / 2;
      chroma += std::abs(a.u[ia] - b.u[ib]) + std::abs(a.v[ia] - b.v[ib]);
      ++chroma_count;
    }
  }
  return luma_mean + 0.5F * static_cast<float>(chroma) / static_cast<float>(chroma_count);
}

// Looks for each block of `b` in `a`, near its place moved by each of `shifts`.
BlockMatch MatchBlocks(const FrameFeatures& a, const FrameFeatures& b, std::span<const std::pair<int, int>> shifts) {
  int blocks = 0, unexplained = 0;
  float sum = 0;
  for (int y = 0; y < b.grid_height; y += kBlock) {
    for (int x = 0; x < b.grid_width; x += kBlock) {
      const int width = std::min(kBlock, b.grid_width - x), height = std::min(kBlock, b.grid_height - y);
      float best = 1e9F;
      for (const auto& [cx, cy] : shifts) {
        for (int dy = cy - kReach; dy <= cy + kReach; ++dy) {
          for (int dx = cx - kReach; dx <= cx + kReach; ++dx) {
            best = std::min(best, BlockDifference(a, b, x, y, width, height, dx, dy, best));
          }
        }
      }
      sum += best;
      ++blocks;
      if (best > kUnexplained) ++unexplained;
    }
  }
  return {.residual = sum / static_cast<float>(blocks),
          .unexplained = static_cast<float>(unexplained) / static_cast<float>(blocks)};
}

}  // namespace

float PlainDifference(const FrameFeatures& a, const FrameFeatures& b) {
  if (!SameGrid(a, b)) return 255;
  return static_cast<float>(MeanAbsolute(a.luma, b.luma)) / static_cast<float>(a.luma.size()) +
         0.5F * static_cast<float>(MeanAbsolute(a.u, b.u) + MeanAbsolute(a.v, b.v)) / static_cast<float>(a.u.size());
}

float HistogramDistance(const FrameFeatures& a, const FrameFeatures& b) {
  return 0.5F * L1(a.luma_histogram, b.luma_histogram) + 0.25F * L1(a.u_histogram, b.u_histogram) +
         0.25F * L1(a.v_histogram, b.v_histogram);
}

BlockMatch MatchInPlace(const FrameFeatures& a, const FrameFeatures& b) {
  if (!SameGrid(a, b)) return {.residual = 255, .unexplained = 1};
  return MatchBlocks(a, b, std::array{std::pair{0, 0}});
}

Match CompareFrames(const FrameFeatures& a, const FrameFeatures& b) {
  Match match;
  if (!SameGrid(a, b)) return {.plain = 255, .residual = 255, .unexplained = 1, .correlation = 0, .histogram = 1};
  match.plain = PlainDifference(a, b);
  match.histogram = HistogramDistance(a, b);
  const Shift shift = BestShift(a, b);
  match.correlation = shift.correlation;
  const std::array places = {std::pair{0, 0}, std::pair{shift.dx, shift.dy}};
  const bool moved = places[0] != places[1];
  const BlockMatch blocks = MatchBlocks(a, b, std::span(places).first(moved ? 2 : 1));
  match.residual = blocks.residual;
  match.unexplained = blocks.unexplained;
  return match;
}

float Brightness(const FrameFeatures& features) {
  int sum = 0;
  for (const uint8_t cell : features.luma) sum += cell;
  return static_cast<float>(sum) / static_cast<float>(features.luma.size());
}

float Contrast(const FrameFeatures& features) {
  const float mean = Brightness(features);
  float sum = 0;
  for (const uint8_t cell : features.luma) sum += (static_cast<float>(cell) - mean) * (static_cast<float>(cell) - mean);
  return std::sqrt(sum / static_cast<float>(features.luma.size()));
}

}  // namespace reelsight::cut_analysis
