// SPDX-License-Identifier: Apache-2.0
#include "services/detection/body_pose/closer_look.h"

#include <algorithm>
#include <utility>

#include "shared/base/status.h"
#include "shared/inference/boxes.h"

namespace reelsight::body_pose {
namespace {

// Larger people gain nothing, as measured: docs/accuracy.md.
constexpr double kLargestShare = 0.6;
// Size of the part that is looked at, over the size of the box.
constexpr double kMargin = 1.25;
constexpr float kLeastIou = 0.5F;

}  // namespace

absl::StatusOr<std::vector<CloserLook>> CloserLooks(const analysis::Image& image, const std::vector<Pose>& poses,
                                                    float min_score, const inference::ImageTensorOptions& input) {
  const double width = image.width_px(), height = image.height_px();
  std::vector<CloserLook> looks;
  for (size_t i = 0; i < poses.size(); ++i) {
    const inference::Box& box = poses[i].box;
    const double box_width = box.width() * width, box_height = box.height() * height;
    if (poses[i].score < min_score || std::max(box_width, box_height) >= kLargestShare * std::max(width, height)) {
      continue;
    }
    // Picture pixels for each input pixel.
    const double step = kMargin * std::max(box_width / input.width_px, box_height / input.height_px);
    if (step <= 0) continue;
    const inference::Affine to_picture_px = {.a = step,
                                             .c = (box.left + box.right) / 2 * width - step * input.width_px / 2,
                                             .e = step,
                                             .f = (box.top + box.bottom) / 2 * height - step * input.height_px / 2};
    ASSIGN_OR_RETURN(inference::PlacedTensor placed, inference::WarpToTensor(image, to_picture_px, input));
    looks.push_back({i, std::move(placed)});
  }
  return looks;
}

void TakeCloserLooks(const std::vector<CloserLook>& looks, const std::vector<std::vector<Pose>>& seen,
                     std::vector<Pose>* poses) {
  const std::vector<Pose> first = *poses;
  for (size_t look = 0; look < looks.size(); ++look) {
    const size_t index = looks[look].pose;
    const Pose* best = nullptr;
    float best_iou = kLeastIou;
    for (const Pose& pose : seen[look]) {
      const float iou = inference::IoU(pose.box, first[index].box);
      if (iou > best_iou) {
        best = &pose;
        best_iou = iou;
      }
    }
    if (best == nullptr) continue;
    const bool is_another = std::any_of(first.begin(), first.end(), [&](const Pose& pose) {
      return &pose != &first[index] && inference::IoU(best->box, pose.box) > best_iou;
    });
    if (is_another) continue;
    (*poses)[index] = *best;
    (*poses)[index].score = std::max(best->score, first[index].score);
  }
}

}  // namespace reelsight::body_pose
