// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/model_source.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "shared/base/status.h"

namespace reelsight::inference {

const ModelMetadata& Model::metadata() const {
  static const auto& none = *new ModelMetadata();
  return none;
}

absl::StatusOr<PinnedModel> AcquireFor(const analysis::BatchView& view, ModelSource& models, std::string_view name,
                                       const CancelToken& cancel) {
  absl::StatusOr<PinnedModel> pinned = models.Acquire(name, cancel);
  if (pinned.ok() && view.stats != nullptr) ++(pinned->cache_hit ? view.stats->cache_hits : view.stats->cache_misses);
  return pinned;
}

ImageTensorOptions WithCatalogInput(ImageTensorOptions options, const config::v1::ModelInput& input) {
  if (input.mean_size() == 3) std::copy_n(input.mean().begin(), 3, options.mean.begin());
  if (input.scale_size() == 3) std::copy_n(input.scale().begin(), 3, options.scale.begin());
  options.bgr = options.bgr || input.bgr();
  return options;
}

analyzer::v1::Model DescribeModel(const config::v1::ModelEntry& entry) {
  analyzer::v1::Model model;
  model.set_name(entry.name());
  model.set_version(entry.version());
  model.set_license(entry.license());
  return model;
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

void DescribeModels(const ModelSource& models, const std::vector<std::string>& names,
                    analyzer::v1::AnalyzerDescription* description) {
  description->set_available(true);
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    const auto entry = models.Entry(name);
    if (entry.ok()) *description->add_models() = DescribeModel(**entry);
    const absl::Status installed = entry.ok() ? models.Installed(name) : entry.status();
    if (installed.ok()) continue;
    if (GetReason(installed) == ReasonName(Reason::kWeightsMissing)) missing.push_back(name);
    if (!description->available()) continue;
    description->set_available(false);
    description->set_unavailable_reason(std::string(installed.message()));
  }
  if (missing.size() < 2) return;
  description->set_unavailable_reason(absl::StrCat("models ", absl::StrJoin(missing, ", "),
                                                   " are not installed; get them by: reelsight models pull ",
                                                   absl::StrJoin(missing, " ")));
}

}  // namespace reelsight::inference
