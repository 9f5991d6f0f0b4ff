// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/plane_scaler.h"

#include <algorithm>
#include <cstddef>

#include "libyuv/scale.h"

namespace reelsight::orchestrator {
namespace {

using analysis::ImageSize;

// libyuv adds up a box's rows in 16 bits, which holds 257 rows of 255, and divides by a factor of 16 bits, which is too
// coarse for large boxes: at 1,024 samples it makes a picture darker by 1.5% at most, above 65,536 black. Larger boxes
// are made in steps of means of means.
constexpr int kMaxBoxRows = 128;
constexpr int64_t kMaxBoxSamples = 1024;
constexpr int kStep = 16;

void ScaleOnce(const uint8_t* from, int stride, ImageSize size, uint8_t* to, ImageSize scaled) {
  libyuv::ScalePlane(from, stride, size.width_px, size.height_px, to, scaled.width_px, scaled.width_px,
                     scaled.height_px, libyuv::kFilterBox);
}

void ScaleOnce(const uint16_t* from, int stride, ImageSize size, uint16_t* to, ImageSize scaled) {
  libyuv::ScalePlane_16(from, stride, size.width_px, size.height_px, to, scaled.width_px, scaled.width_px,
                        scaled.height_px, libyuv::kFilterBox);
}

// The size to scale to first; `scaled` if that can be done at once.
ImageSize NextSize(ImageSize size, ImageSize scaled, bool bytes) {
  // A quarter where that comes out even: libyuv has a much faster way for just that, and the means of 4x4 pixels have
  // the same means.
  const ImageSize quarter{size.width_px / 4, size.height_px / 4};
  if (bytes && size.width_px % 4 == 0 && size.height_px % 4 == 0 && quarter.width_px >= 2 * scaled.width_px &&
      quarter.height_px >= 2 * scaled.height_px) {
    return quarter;
  }
  const auto box = [](int from_px, int to_px) { return (from_px + to_px - 1) / to_px; };
  const int rows = box(size.height_px, scaled.height_px);
  const int64_t samples = static_cast<int64_t>(rows) * box(size.width_px, scaled.width_px);
  if (rows <= kMaxBoxRows && samples <= kMaxBoxSamples) return scaled;
  const auto step = [&](int from_px, int to_px) {
    return box(from_px, to_px) > kStep ? box(from_px, kStep) : std::min(from_px, to_px);
  };
  return {step(size.width_px, scaled.width_px), step(size.height_px, scaled.height_px)};
}

template <typename Sample>
void ScaleInSteps(const Sample* from, int stride, ImageSize size, ImageSize scaled, std::vector<Sample>& scratch,
                  std::vector<Sample>& other_scratch, Sample* to) {
  bool quartered = false;
  while (true) {
    const ImageSize next = NextSize(size, scaled, sizeof(Sample) == 1 && !quartered);
    if (next == scaled) break;
    quartered = true;
    scratch.resize(static_cast<size_t>(next.width_px) * next.height_px);
    ScaleOnce(from, stride, size, scratch.data(), next);
    from = scratch.data();
    stride = next.width_px;
    size = next;
    std::swap(scratch, other_scratch);
  }
  ScaleOnce(from, stride, size, to, scaled);
}

}  // namespace

void PlaneScaler::Scale(const uint8_t* from, int stride, ImageSize size, ImageSize scaled, uint8_t* to) {
  ScaleInSteps(from, stride, size, scaled, bytes_, other_bytes_, to);
}

void PlaneScaler::Scale(const uint16_t* from, int stride, ImageSize size, ImageSize scaled, uint16_t* to) {
  ScaleInSteps(from, stride, size, scaled, words_, other_words_, to);
}

}  // namespace reelsight::orchestrator
