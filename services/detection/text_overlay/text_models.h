// SPDX-License-Identifier: Apache-2.0
//
// Which models a request for text reads with: those it names, else the catalogue's defaults. Loads nothing.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "reelsight/v1/text_overlay.pb.h"
#include "shared/inference/model_source.h"

namespace reelsight::text_overlay {

// The models of one engine, by their names in the catalogue.
struct TextModels {
  std::string detector;
  // Empty: none, and the engine is CRAFT and CRNN.
  std::string classifier;
  std::string recognizer;

  std::vector<std::string> all() const;
};

// Without an engine in `options`, that of the default detector, with the defaults of all roles. An engine that is named
// takes the defaults that are of its families, else its own models. INVALID_ARGUMENT, INVALID_FIELD for a named model
// that is not there or of another family; FAILED_PRECONDITION, WEIGHTS_MISSING if the defaults are not of one engine.
absl::StatusOr<TextModels> ChooseModels(const inference::ModelSource& models, const v1::TextOverlayOptions& options);

}  // namespace reelsight::text_overlay
