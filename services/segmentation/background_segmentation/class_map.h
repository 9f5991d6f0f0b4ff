// SPDX-License-Identifier: Apache-2.0
//
// From the logits of a semantic segmentation network to a class for each pixel of the picture.
#pragma once

#include <cstdint>
#include <vector>

#include "shared/analysis/image.h"
#include "shared/inference/tensor.h"

namespace reelsight::background_segmentation {

// Classes of pixels, row by row, counted from 0. At most 256 classes.
struct ClassMap {
  analysis::ImageSize size;
  std::vector<uint8_t> classes;
};

// Note [Class of a pixel]: what counts as right is what SegFormer's authors report: logits enlarged to the picture
// (bilinear, pixel centres at halves), then the highest. A pixel whose four neighbours in the small map agree needs no
// enlarging, since a mean of logits keeps an order that all of them share; only the others are interpolated.

// `logits` are float32 [1, classes, height, width], classes in [1, 256].
ClassMap EnlargedArgmax(const inference::Tensor& logits, analysis::ImageSize size);
// The highest in the small map, then the nearest cell. Faster, and ragged along edges.
ClassMap SmallArgmax(const inference::Tensor& logits, analysis::ImageSize size);

}  // namespace reelsight::background_segmentation
