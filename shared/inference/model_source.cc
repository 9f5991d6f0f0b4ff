// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/model_source.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::inference {

const ModelMetadata& Model::metadata() const {
  static const auto& none = *new ModelMetadata();
  return none;
}

ImageTensorOptions WithCatalogInput(ImageTensorOptions options, const config::v1::ModelInput& input) {
  if (input.mean_size() == 3) std::copy_n(input.mean().begin(), 3, options.mean.begin());
  if (input.scale_size() == 3) std::copy_n(input.scale().begin(), 3, options.scale.begin());
  options.bgr = options.bgr || input.bgr();
  return options;
}

absl::StatusOr<const config::v1::ModelEntry*> DefaultOfFamily(const ModelSource& models, std::string_view task,
                                                              std::string_view role, std::string_view family) {
  const config::v1::ModelEntry* const entry = models.DefaultFor(task, role);
  if (entry != nullptr && entry->family() == family) return entry;
  const std::string part = absl::StrCat("default ", std::string(role), " of ", std::string(task));
  return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kWeightsMissing,
                   entry == nullptr ? absl::StrCat("the catalogue names no ", part)
                                    : absl::StrCat("the ", part, ", ", entry->name(), ", is of family ",
                                                   entry->family(), ", not of family ", std::string(family)));
}

}  // namespace reelsight::inference
