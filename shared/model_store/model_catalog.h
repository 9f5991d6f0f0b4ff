// SPDX-License-Identifier: Apache-2.0
//
// Which models there are: the built-in catalogue and the user's own files. It knows nothing of what is installed: see
// model_store.h.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "reelsight/config/v1/model_catalog.pb.h"

namespace reelsight::model_store {

// Immutable, so thread-safe.
class ModelCatalog {
 public:
  // The built-in catalogue, then `files` in order; a later entry of a name replaces an earlier one. INVALID_ARGUMENT
  // with `FILE:LINE:COLUMN` or the entry's name if a file is wrong, also if it has a default in a role that its task
  // lacks; NOT_FOUND if it is not there.
  static absl::StatusOr<ModelCatalog> Load(const std::vector<std::string>& files);
  // `text` alone, for tests; `name` stands for the file in errors.
  static absl::StatusOr<ModelCatalog> Parse(std::string_view text, const std::string& name);

  // nullptr if there is none. The pointer lives as long as the catalogue.
  const config::v1::ModelEntry* Find(std::string_view name) const;
  // The model that an analyzer uses for a part of its task unless told otherwise; nullptr if there is none. `role` is
  // empty where one model does all of it.
  const config::v1::ModelEntry* DefaultFor(std::string_view task, std::string_view role) const;
  // All, by name.
  const std::map<std::string, config::v1::ModelEntry, std::less<>>& models() const { return models_; }

 private:
  absl::Status Add(const config::v1::ModelCatalog& catalog, const std::string& folder, const std::string& file);

  std::map<std::string, config::v1::ModelEntry, std::less<>> models_;
};

}  // namespace reelsight::model_store
