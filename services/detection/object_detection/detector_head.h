// SPDX-License-Identifier: Apache-2.0
//
// What detection networks put out, made into boxes: one decoder for each family of networks. Not a network and not a
// tracker.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/inference/boxes.h"
#include "shared/inference/image_tensor.h"
#include "shared/inference/tensor.h"

namespace reelsight::object_detection {

// How a family of networks takes pictures and gives boxes.
class DetectorHead {
 public:
  // A detector's facts, from the catalogue.
  struct Options {
    // Size of the network's input.
    int width_px = 0;
    int height_px = 0;
    // Classes, for families that need their count; 0: as the outputs have it.
    int class_count = 0;
    // Boxes below it are dropped, in [0, 1].
    float min_score = 0.25F;
    // Of two boxes of one class that overlap more, the weaker one is dropped.
    float max_iou = 0.6F;
    // Most boxes of one picture.
    int max_detections = 100;
  };

  virtual ~DetectorHead() = default;

  // How to make the input of a picture.
  virtual const inference::ImageTensorOptions& input() const = 0;
  // Boxes as fractions of the picture in [0, 1], labels counted from 0 as in the catalogue, strongest first. `outputs`
  // are those of one sample; `to_picture` comes from ToTensor. INTERNAL, INVALID_MODEL_OUTPUT, naming the shape, if the
  // outputs are not those of the family.
  virtual absl::StatusOr<std::vector<inference::Detection>> Decode(std::span<const inference::Tensor> outputs,
                                                                   const inference::Affine& to_picture) const = 0;
};

// Families:
//   ssd            SSD with its boxes decoded: [1, n, 4] of left, top, right, bottom as fractions, and class
//   probabilities
//                  [1, n, classes] [Liu et al., 2016]; needs NMS
//   ssd_tf         TensorFlow's object detection API with its own NMS: boxes [1, n, 4] (top, left, bottom, right),
//                  classes [1, n] from 1, scores [1, n], count [1]
//   nanodet        NanoDet: class probabilities [1, cells, classes] of strides 8, 16 and 32, then as many tensors
//                  [1, cells, 4 x 11] of distributions of the distances to left, top, right, bottom [Li et al.,
//                  Generalized Focal Loss, 2020]; needs NMS
//   centernet      CenterNet with its peaks picked: [1, n, 6] of left, top, right, bottom in input pixels, score, class
//                  [Zhou et al., Objects as Points, 2019]
//   yolov8_detect  YOLOv8 and YOLO11: [1, 4 + classes, n], centre and size in input pixels; needs NMS [Ultralytics]
//   rtdetr         RT-DETR: [1, n, 4 + classes], centre and size as fractions, then scores; or [1, n, 6] with the score
//                  and the class of the best; or logits [1, n, classes] and boxes [1, n, 4]; needs no NMS [Zhao et al.,
//                  2023]
// INVALID_ARGUMENT, listing them, for another one.
absl::StatusOr<std::unique_ptr<DetectorHead>> MakeDetectorHead(const std::string& family,
                                                               const DetectorHead::Options& options);

}  // namespace reelsight::object_detection
