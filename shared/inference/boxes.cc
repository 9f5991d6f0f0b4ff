// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/boxes.h"

#include <algorithm>
#include <numeric>

namespace reelsight::inference {

float IoU(const Box& a, const Box& b) {
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const float both = width * height;
  return both / (a.area() + b.area() - both);
}

Box ClampToUnit(const Box& box) {
  const auto clamp = [](float value) { return std::clamp(value, 0.0F, 1.0F); };
  return {clamp(box.left), clamp(box.top), clamp(box.right), clamp(box.bottom)};
}

std::vector<int> NonMaximumSuppression(const std::vector<Detection>& detections, float max_iou, bool across_labels,
                                       int max_count) {
  std::vector<int> order(detections.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return detections[a].score > detections[b].score; });
  std::vector<int> kept;
  for (const int candidate : order) {
    if (static_cast<int>(kept.size()) >= max_count) break;
    const Detection& weaker = detections[candidate];
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](int index) {
      const Detection& stronger = detections[index];
      return (across_labels || stronger.label == weaker.label) && IoU(stronger.box, weaker.box) > max_iou;
    });
    if (!covered) kept.push_back(candidate);
  }
  return kept;
}

}  // namespace reelsight::inference
