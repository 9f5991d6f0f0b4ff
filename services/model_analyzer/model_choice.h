// SPDX-License-Identifier: Apache-2.0
//
// Which model of the catalogue does a task, and what its entry says of its outputs. Loads nothing.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "shared/inference/model_source.h"

namespace reelsight::model_analyzer {

// The model `named` by a request for the analyzer `task`, or the catalogue's default if `named` is empty.
// INVALID_ARGUMENT, INVALID_FIELD, if there is no such model or it is for another task; FAILED_PRECONDITION,
// WEIGHTS_MISSING, if the catalogue names no default.
absl::StatusOr<const config::v1::ModelEntry*> ChooseModel(const inference::ModelSource& models, const std::string& task,
                                                          const std::string& named);

// The label of class `label`, or `class 7` where the entry has none.
std::string LabelOf(const config::v1::ModelEntry& entry, int label);

// Least score of what is reported: that of `options`, else that of the model's entry, else `otherwise`.
template <typename Options>
float MinScore(const Options& options, const config::v1::ModelEntry& entry, float otherwise) {
  if (options.has_min_score()) return options.min_score();
  return entry.has_min_score() ? entry.min_score() : otherwise;
}

}  // namespace reelsight::model_analyzer
