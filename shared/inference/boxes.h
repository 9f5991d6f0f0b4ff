// SPDX-License-Identifier: Apache-2.0
//
// Boxes and what detectors do with them.
#pragma once

#include <vector>

namespace reelsight::inference {

// Corners in any unit, left <= right and top <= bottom.
struct Box {
  float left = 0;
  float top = 0;
  float right = 0;
  float bottom = 0;

  float width() const { return right - left; }
  float height() const { return bottom - top; }
  float area() const { return width() * height(); }
};

// Intersection over union, in [0, 1]; 0 where both are empty.
float IoU(const Box& a, const Box& b);
// Cut to [0, 1] on both axes.
Box ClampToUnit(const Box& box);

struct Detection {
  Box box;
  float score = 0;
  int label = 0;
};

// Greedy non-maximum suppression: of two detections of one label (of any label if `across_labels`) whose IoU is over
// `max_iou`, the weaker one goes. The rest, strongest first; equal scores keep their order. At most `max_count`.
// Indexes into `detections`.
std::vector<int> NonMaximumSuppression(const std::vector<Detection>& detections, float max_iou, bool across_labels,
                                       int max_count);

}  // namespace reelsight::inference
