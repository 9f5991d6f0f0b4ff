// SPDX-License-Identifier: Apache-2.0
//
// EasyOCR's pair: the CRAFT detector and the CRNN recogniser of its second generation (Shi et al., An End-to-End
// Trainable Neural Network for Image-based Sequence Recognition, 2015). Numbers and steps are those of EasyOCR 1.7 with
// greedy decoding; it reads a line once, not a second time with more contrast.
#pragma once

#include <memory>

#include "services/detection/text_overlay/text_reader.h"

namespace reelsight::text_overlay {

// Families of the catalogue: `craft` and `crnn`. The recogniser's characters are its entry's labels;
// FAILED_PRECONDITION, naming the model, if it has none.
absl::StatusOr<std::unique_ptr<TextReader>> MakeCraftCrnnReader(inference::PinnedModel detector,
                                                                inference::PinnedModel recognizer);

}  // namespace reelsight::text_overlay
