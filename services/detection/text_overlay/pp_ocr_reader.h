// SPDX-License-Identifier: Apache-2.0
//
// PP-OCR (Du et al., 2020, and later versions): a DB detector, a classifier of lines that stand on their head, a CTC
// recogniser. Numbers and steps are those of RapidOCR 3.10, but for the detector's input, which is not enlarged.
#pragma once

#include <memory>

#include "services/detection/text_overlay/text_reader.h"

namespace reelsight::text_overlay {

// Families of the catalogue: `ppocr_det`, `ppocr_cls`, `ppocr_rec`. The recogniser's characters come from the entry's
// labels, else from the file's metadata `character`, one a line. FAILED_PRECONDITION, naming the model, if it has
// neither.
absl::StatusOr<std::unique_ptr<TextReader>> MakePpOcrReader(inference::PinnedModel detector,
                                                            inference::PinnedModel classifier,
                                                            inference::PinnedModel recognizer);

}  // namespace reelsight::text_overlay
