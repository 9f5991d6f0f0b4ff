// SPDX-License-Identifier: Apache-2.0
//
// The pictures of a batch that results are wanted for, and how they go through one network together.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/analysis/frame.h"
#include "shared/inference/image_tensor.h"
#include "shared/inference/model_source.h"

namespace reelsight::model_analyzer {

// In order; borrowed from `view`.
std::vector<const analysis::Image*> TargetPictures(const analysis::BatchView& view);

// The outputs of `model` for each target of `view`, in order; `make_sample` makes its input. Blocks. The statuses of
// `make_sample` and of inference::Model::Run.
absl::StatusOr<std::vector<inference::Sample>> RunOnTargets(
    const analysis::BatchView& view, const inference::Model& model, const CancelToken& cancel,
    const std::function<absl::StatusOr<inference::Sample>(const analysis::Image& picture)>& make_sample);

// Outputs for each target, and from the places in the network's input to those in the picture.
struct PlacedOutputs {
  std::vector<inference::Sample> outputs;
  std::vector<inference::Affine> places;
};

// The same for a network that takes one picture as a tensor. What the catalogue states of its input goes before
// `input`.
absl::StatusOr<PlacedOutputs> RunOnTargets(const analysis::BatchView& view, const inference::Model& model,
                                           const CancelToken& cancel, const inference::ImageTensorOptions& input);

}  // namespace reelsight::model_analyzer
