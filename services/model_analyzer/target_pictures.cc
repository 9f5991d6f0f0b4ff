// SPDX-License-Identifier: Apache-2.0
#include "services/model_analyzer/target_pictures.h"

#include <utility>

#include "shared/base/status.h"

namespace reelsight::model_analyzer {

using inference::Sample;

std::vector<const analysis::Image*> TargetPictures(const analysis::BatchView& view) {
  std::vector<const analysis::Image*> pictures;
  for (const analysis::BatchView::Item& item : view.items) {
    if (item.target) pictures.push_back(item.frame->image.get());
  }
  return pictures;
}

absl::StatusOr<std::vector<Sample>> RunOnTargets(
    const analysis::BatchView& view, const inference::Model& model, const CancelToken& cancel,
    const std::function<absl::StatusOr<Sample>(const analysis::Image& picture)>& make_sample) {
  std::vector<Sample> samples;
  for (const analysis::Image* const picture : TargetPictures(view)) {
    RETURN_IF_ERROR(cancel.status());
    ASSIGN_OR_RETURN(samples.emplace_back(), make_sample(*picture));
  }
  return model.Run(view.request_id, std::move(samples), cancel);
}

absl::StatusOr<PlacedOutputs> RunOnTargets(const analysis::BatchView& view, const inference::Model& model,
                                           const CancelToken& cancel, const inference::ImageTensorOptions& input) {
  const inference::ImageTensorOptions options = inference::WithCatalogInput(input, model.entry().input());
  PlacedOutputs placed;
  const auto make_sample = [&](const analysis::Image& picture) -> absl::StatusOr<Sample> {
    ASSIGN_OR_RETURN(inference::PlacedTensor tensor, inference::ToTensor(picture, options));
    placed.places.push_back(tensor.to_picture);
    Sample sample;
    sample.push_back(std::move(tensor.tensor));
    return sample;
  };
  ASSIGN_OR_RETURN(placed.outputs, RunOnTargets(view, model, cancel, make_sample));
  return placed;
}

}  // namespace reelsight::model_analyzer
