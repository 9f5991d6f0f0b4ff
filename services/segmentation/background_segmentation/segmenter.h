// SPDX-License-Identifier: Apache-2.0
//
// How each family of segmentation networks takes pictures, and what its outputs say of their pixels. It neither loads
// nor runs a network.
//
// Families:
//   rvm        Robust Video Matting [Lin et al., 2021]: a matte; any size in multiples of 16. Its recurrent states are
//              zero in each frame, so that a frame's result depends on nothing but the frame.
//   selfie     MediaPipe's selfie segmentation: the probability of a person
//   segformer  SegFormer [Xie et al., 2021] and others that give logits [n, classes, height / k, width / k]
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "services/segmentation/background_segmentation/class_map.h"
#include "services/segmentation/background_segmentation/mask.h"
#include "shared/inference/image_tensor.h"
#include "shared/inference/model_source.h"

namespace reelsight::background_segmentation {

// What a network says of a picture, in the picture's own size. One of the two.
struct Segmentation {
  // 0 is background, 255 a person.
  std::optional<GreyImage> matte;
  std::optional<ClassMap> classes;
};

// Immutable, so thread-safe. `model` must outlive it.
class Segmenter {
 public:
  // INVALID_ARGUMENT, listing the families, for another one; INTERNAL, INVALID_MODEL_OUTPUT, if the model's inputs and
  // outputs are not those of its family.
  static absl::StatusOr<Segmenter> Create(const inference::Model& model);

  // The input for `image`.
  absl::StatusOr<inference::Sample> MakeSample(const analysis::Image& image) const;
  // What `outputs`, of the sample made of a picture of `size`, say. INTERNAL, INVALID_MODEL_OUTPUT, as in Create.
  absl::StatusOr<Segmentation> Read(const inference::Sample& outputs, analysis::ImageSize size) const;

 private:
  enum class Family { kRvm, kSelfie, kSegformer };

  Segmenter(const inference::Model& model, Family family) : model_(model), family_(family) {}
  absl::Status WrongModel(const std::string& what) const;

  const inference::Model& model_;
  Family family_;
  // Places of the picture among the inputs and of the answer among the outputs.
  size_t picture_ = 0;
  size_t answer_ = 0;
  inference::ImageTensorOptions input_;
};

}  // namespace reelsight::background_segmentation
