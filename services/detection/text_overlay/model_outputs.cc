// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/model_outputs.h"

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::text_overlay {

absl::Status CheckOutput(const inference::Model& model, const inference::Sample& outputs,
                         const inference::Shape& shape) {
  bool fits =
      !outputs.empty() && outputs[0].type() == inference::DType::kFloat32 && outputs[0].shape().size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] < 0 || outputs[0].shape()[i] == shape[i];
  if (fits) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kInternal, Reason::kInvalidModelOutput,
      absl::StrCat("model ", model.entry().name(), ": expected a float32 output of shape ", inference::ShapeText(shape),
                   ", got ", outputs.empty() ? "none" : inference::ShapeText(outputs[0].shape()),
                   "; is its `family` in the catalogue right?"));
}

}  // namespace reelsight::text_overlay
