// SPDX-License-Identifier: Apache-2.0
#include "shared/service/model_description.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "shared/base/status.h"

namespace reelsight::service {

absl::StatusOr<inference::PinnedModel> AcquireFor(const analysis::BatchView& view, inference::ModelSource& models,
                                                  std::string_view name, const CancelToken& cancel) {
  absl::StatusOr<inference::PinnedModel> pinned = models.Acquire(name, cancel);
  if (pinned.ok() && view.stats != nullptr) ++(pinned->cache_hit ? view.stats->cache_hits : view.stats->cache_misses);
  return pinned;
}

absl::StatusOr<inference::PinnedModel> AcquireFor(analyzer::v1::SummarizeResponse& response,
                                                  inference::ModelSource& models, std::string_view name,
                                                  const CancelToken& cancel) {
  absl::StatusOr<inference::PinnedModel> pinned = models.Acquire(name, cancel);
  if (!pinned.ok()) return pinned;
  response.set_cache_hits(response.cache_hits() + (pinned->cache_hit ? 1 : 0));
  response.set_cache_misses(response.cache_misses() + (pinned->cache_hit ? 0 : 1));
  return pinned;
}

analyzer::v1::Model DescribeModel(const inference::ModelSource& models, const config::v1::ModelEntry& entry) {
  analyzer::v1::Model model;
  model.set_name(entry.name());
  model.set_version(entry.version());
  model.set_license(entry.license());
  model.set_device(models.DeviceOf(entry));
  return model;
}

std::string OnCpuBesideGpu(const inference::ModelSource& models, const std::vector<std::string>& names) {
  std::vector<std::string> on_cpu;
  for (const std::string& name : names) {
    const auto entry = models.Entry(name);
    if (entry.ok() && models.DeviceOf(**entry) != models.device()) on_cpu.push_back(name);
  }
  if (on_cpu.empty()) return "";
  const bool one = on_cpu.size() == 1;
  return absl::StrCat(one ? "model " : "models ", absl::StrJoin(on_cpu, ", "), one ? " runs" : " run",
                      " on the CPU, not on ", models.device(), ", whose engine cannot run ", one ? "it" : "them");
}

void DescribeModels(const inference::ModelSource& models, const std::vector<std::string>& names,
                    analyzer::v1::AnalyzerDescription* description) {
  description->set_available(true);
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    const auto entry = models.Entry(name);
    if (entry.ok()) *description->add_models() = DescribeModel(models, **entry);
    const absl::Status installed = entry.ok() ? models.Installed(name) : entry.status();
    if (installed.ok()) continue;
    if (GetReason(installed) == ReasonName(Reason::kWeightsMissing)) missing.push_back(name);
    if (!description->available()) continue;
    description->set_available(false);
    description->set_unavailable_reason(std::string(installed.message()));
  }
  if (description->available()) description->set_unavailable_reason(OnCpuBesideGpu(models, names));
  if (missing.size() < 2) return;
  description->set_unavailable_reason(absl::StrCat("models ", absl::StrJoin(missing, ", "),
                                                   " are not installed; get them by: reelsight models pull ",
                                                   absl::StrJoin(missing, " ")));
}

absl::Status SetModels(const inference::ModelSource& models, const std::vector<std::string>& names,
                       analyzer::v1::SummarizeResponse* response) {
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const config::v1::ModelEntry* const entry, models.Entry(name));
    *response->add_models() = DescribeModel(models, *entry);
  }
  if (!names.empty()) *response->mutable_model() = response->models(0);
  const std::string on_cpu = OnCpuBesideGpu(models, names);
  if (on_cpu.empty()) return absl::OkStatus();
  response->set_warning(response->warning().empty() ? on_cpu : absl::StrCat(response->warning(), "; ", on_cpu));
  return absl::OkStatus();
}

}  // namespace reelsight::service
