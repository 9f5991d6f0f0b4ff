// SPDX-License-Identifier: Apache-2.0
//
// Lines of text on their way through a recogniser: widths rounded up to a few, so that lines share shapes (which makes
// batches on a GPU and spares compiling for each width on a CPU), and runs cut so that outputs stay small: a
// recogniser of 18,710 classes puts out 3 MB for a line of 320 pixels.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/base/cancel_token.h"
#include "shared/inference/model_source.h"

namespace reelsight::text_overlay {

// The width that a line of `width_px` is padded to: the next of a fixed row of widths; a line wider than the last of
// them is squeezed into that.
int PaddedWidth(int width_px);

// Runs a line for each of `widths_px` (padded widths), narrow ones first. `make` gives the input of line i, `use` gets
// its outputs.
absl::Status RunLines(const inference::Model& model, const std::string& client, const std::vector<int>& widths_px,
                      const std::function<inference::Tensor(size_t)>& make,
                      const std::function<absl::Status(size_t, const inference::Sample&)>& use,
                      const CancelToken& cancel);

}  // namespace reelsight::text_overlay
