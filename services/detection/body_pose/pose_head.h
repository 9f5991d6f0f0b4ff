// SPDX-License-Identifier: Apache-2.0
//
// What pose networks put out, made into poses: one decoder for each family of networks.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/detection/body_pose/pose.h"
#include "shared/inference/image_tensor.h"

namespace reelsight::body_pose {

class PoseHead {
 public:
  struct Options {
    // Size of the network's input.
    int width_px = 0;
    int height_px = 0;
    // Weaker poses are dropped, in [0, 1].
    float min_score = 0.1F;
    // Of two poses whose boxes overlap more, the weaker one is dropped.
    float max_iou = 0.65F;
    int max_poses = 50;
  };

  virtual ~PoseHead() = default;

  // How to make the input of a picture.
  virtual const inference::ImageTensorOptions& input() const = 0;
  // Poses as fractions of the picture, strongest first. INTERNAL, INVALID_MODEL_OUTPUT, naming the shape, if the
  // outputs are not those of the family.
  virtual absl::StatusOr<std::vector<Pose>> Decode(std::span<const inference::Tensor> outputs,
                                                   const inference::Affine& to_picture) const = 0;
};

// Families:
//   movenet_multipose  [1, n, 56]: 17 x (y, x, score), then top, left, bottom, right, score; fractions of the input
//                      [Google, MoveNet MultiPose Lightning model card, 2021]
//   yolov8_pose        [1, 56, n]: centre, size, score, 17 x (x, y, score) in input pixels; needs NMS [Ultralytics]
// INVALID_ARGUMENT, listing them, for another one.
absl::StatusOr<std::unique_ptr<PoseHead>> MakePoseHead(const std::string& family, const PoseHead::Options& options);

}  // namespace reelsight::body_pose
