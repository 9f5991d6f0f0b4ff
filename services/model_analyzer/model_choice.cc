// SPDX-License-Identifier: Apache-2.0
#include "services/model_analyzer/model_choice.h"

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::model_analyzer {

using config::v1::ModelEntry;

absl::StatusOr<const ModelEntry*> ChooseModel(const inference::ModelSource& models, const std::string& task,
                                              const std::string& named) {
  if (!named.empty()) {
    ASSIGN_OR_RETURN(const ModelEntry* const entry, models.Entry(named));
    if (entry->task() == task) return entry;
    return InvalidField(absl::StrCat("options.", task, ".model"),
                        absl::StrCat(entry->name(), " is for ", entry->task(), ", not for ", task));
  }
  if (const ModelEntry* const entry = models.DefaultFor(task, ""); entry != nullptr) return entry;
  return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kWeightsMissing,
                   absl::StrCat("the catalogue names no default model for ", task));
}

std::string LabelOf(const ModelEntry& entry, int label) {
  if (label >= 0 && label < entry.labels_size() && !entry.labels(label).empty()) return entry.labels(label);
  return absl::StrCat("class ", label);
}

}  // namespace reelsight::model_analyzer
