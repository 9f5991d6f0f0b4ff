// SPDX-License-Identifier: Apache-2.0
//
// A second look at people who are small in the picture: the part of the picture around each goes through the same
// network, larger. It sharpens joints; it finds nobody new.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "services/detection/body_pose/pose.h"
#include "shared/analysis/image.h"
#include "shared/inference/image_tensor.h"

namespace reelsight::body_pose {

struct CloserLook {
  // Index of the pose.
  size_t pose = 0;
  inference::PlacedTensor input;
};

// Inputs for each pose of at least `min_score` whose box is shorter than 0.6 of the picture's longer side. `input` is
// the network's. INVALID_ARGUMENT if the picture is not RGB24.
absl::StatusOr<std::vector<CloserLook>> CloserLooks(const analysis::Image& image, const std::vector<Pose>& poses,
                                                    float min_score, const inference::ImageTensorOptions& input);

// What the looks saw, by look: the pose that fits its own box best takes the place of the first one, unless it fits
// the box of another person better. Scores do not fall.
void TakeCloserLooks(const std::vector<CloserLook>& looks, const std::vector<std::vector<Pose>>& seen,
                     std::vector<Pose>* poses);

}  // namespace reelsight::body_pose
