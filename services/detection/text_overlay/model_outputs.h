// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/status/status.h"
#include "shared/inference/model_source.h"

namespace reelsight::text_overlay {

// INTERNAL, INVALID_MODEL_OUTPUT, naming the model and both shapes, unless the first output is float32 of that shape;
// -1 stands for any side.
absl::Status CheckOutput(const inference::Model& model, const inference::Sample& outputs,
                         const inference::Shape& shape);

}  // namespace reelsight::text_overlay
