// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/model_runtime.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/process/memory.h"

namespace reelsight::inference {

absl::StatusOr<std::unique_ptr<ModelRuntime>> ModelRuntime::Create(const model_store::ModelStore& store,
                                                                   Options options, telemetry::Metrics* metrics) {
  if (options.memory_budget_bytes < 0) return InvalidField("memory_budget_bytes", "must not be negative");
  if (options.memory_budget_bytes == 0) {
    options.memory_budget_bytes = process::ReadMemory().total_bytes / 2;
  }
  ASSIGN_OR_RETURN(std::unique_ptr<ModelLoader> loader,
                   ModelLoader::Create(options, absl::StrCat(store.directory(), "/compiled"), metrics));
  return std::unique_ptr<ModelRuntime>(new ModelRuntime(store, options, std::move(loader), metrics));
}

ModelRuntime::ModelRuntime(const model_store::ModelStore& store, const Options& options,
                           std::unique_ptr<ModelLoader> loader, telemetry::Metrics* metrics)
    : store_(store), device_(options.device), loader_(std::move(loader)), cache_(options, metrics) {
  if (metrics == nullptr) return;
  for (const auto& [name, entry] : store_.catalog().models()) metrics->DeclareModel(name);
}

absl::StatusOr<const config::v1::ModelEntry*> ModelRuntime::Entry(std::string_view name) const {
  if (const config::v1::ModelEntry* const entry = store_.catalog().Find(name); entry != nullptr) return entry;
  return InvalidField("model", absl::StrCat("the catalogue has no model ", std::string(name),
                                            "; `reelsight models list` shows what there is"));
}

const config::v1::ModelEntry* ModelRuntime::DefaultFor(std::string_view task, std::string_view role) const {
  return store_.catalog().DefaultFor(task, role);
}

absl::Status ModelRuntime::Installed(std::string_view name) const { return store_.Installed(name).status(); }

absl::StatusOr<PinnedModel> ModelRuntime::Acquire(std::string_view name, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const config::v1::ModelEntry* const entry, Entry(name));
  ASSIGN_OR_RETURN(const std::string path, store_.Installed(name));
  // Weights, and about as much again for packed weights and working memory; what it really takes is measured.
  const int64_t estimate = 2 * BytesAt(path);
  const auto load = [&]() -> absl::StatusOr<ModelCache::Models::Loaded> {
    if (const absl::Status checked = store_.Check(entry->name()); !checked.ok()) {
      return Annotate(checked, absl::StrCat("model ", entry->name()));
    }
    ASSIGN_OR_RETURN(ModelLoader::Loaded loaded, loader_->Load(*entry, path, DeviceOf(*entry), cache_.used_bytes()));
    return ModelCache::Models::Loaded{std::move(loaded.model), loaded.bytes};
  };
  return cache_.Acquire(entry->name(), estimate, load, cancel);
}

absl::Status ModelRuntime::Preload(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (const absl::Status status = Acquire(name, CancelToken()).status(); !status.ok()) {
      return Annotate(status, absl::StrCat("preloading ", name));
    }
  }
  return absl::OkStatus();
}

}  // namespace reelsight::inference
