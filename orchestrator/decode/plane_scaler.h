// SPDX-License-Identifier: Apache-2.0
//
// Scales one plane of a picture. The only caller of libyuv's scalers.
#pragma once

#include <cstdint>
#include <vector>

#include "shared/analysis/image.h"

namespace reelsight::orchestrator {

// Each sample of the result is the mean of the box of samples that it stands for. Used by one thread at a time: it
// keeps scratch space. Sides 1..analysis::kMaxSidePx.
class PlaneScaler {
 public:
  // `stride` in samples, which may be negative. `to` is tightly packed.
  void Scale(const uint8_t* from, int stride, analysis::ImageSize size, analysis::ImageSize scaled, uint8_t* to);
  void Scale(const uint16_t* from, int stride, analysis::ImageSize size, analysis::ImageSize scaled, uint16_t* to);

 private:
  std::vector<uint8_t> bytes_;
  std::vector<uint8_t> other_bytes_;
  std::vector<uint16_t> words_;
  std::vector<uint16_t> other_words_;
};

}  // namespace reelsight::orchestrator
