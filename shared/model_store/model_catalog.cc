// SPDX-License-Identifier: Apache-2.0
#include "shared/model_store/model_catalog.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "shared/base/status.h"
#include "shared/model_store/builtin_catalog.h"
#include "shared/process/config_file.h"

namespace reelsight::model_store {
namespace {

using config::v1::ModelEntry;
using config::v1::ModelFile;

constexpr size_t kSha256Digits = 64;
constexpr int kMaxStartBatch = 1024;

bool IsPlainName(const std::string& name) {
  return !name.empty() && name.size() <= 128 && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '-' || c == '.';
         });
}

// A name that cannot leave the model's folder.
bool IsFileName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && !absl::StrContains(name, '/') && name.size() <= 255;
}

absl::Status CheckFile(const ModelFile& file) {
  if (!IsFileName(file.name())) return InvalidField("files.name", absl::StrCat("`", file.name(), "` is no file name"));
  if (file.sha256().size() != kSha256Digits ||
      !std::all_of(file.sha256().begin(), file.sha256().end(), [](char c) { return absl::ascii_isxdigit(c); })) {
    return InvalidField("files.sha256", "must be 64 hexadecimal digits");
  }
  if (file.size_bytes() <= 0) return InvalidField("files.size_bytes", "must be positive");
  if (file.source_case() == ModelFile::SOURCE_NOT_SET) {
    return InvalidField("files", absl::StrCat(file.name(), " has no source: pypi, npm, url, hub or path"));
  }
  return absl::OkStatus();
}

absl::Status CheckEntry(const ModelEntry& entry) {
  if (!IsPlainName(entry.name())) {
    return InvalidField("name", absl::StrCat("`", entry.name(), "` must be lower case letters, digits, `_`, `-`, `.`"));
  }
  if (!IsFileName(entry.version())) return InvalidField("version", "must be there, without `/`");
  if (entry.files().empty()) return InvalidField("files", "must hold at least one file");
  std::set<std::string> names;
  for (const ModelFile& file : entry.files()) {
    RETURN_IF_ERROR(CheckFile(file));
    if (!names.insert(file.name()).second)
      return InvalidField("files.name", absl::StrCat(file.name(), " is there twice"));
  }
  if (entry.has_converter() && (entry.converter().kind().empty() || !IsFileName(entry.converter().output()) ||
                                names.contains(entry.converter().output()))) {
    return InvalidField("converter", "needs a kind, and an output that is no file of the model");
  }
  if (entry.folder() && entry.has_converter()) {
    return InvalidField("folder", "does not go with a converter, whose output is one file");
  }
  if (entry.start_batch() < 0 || entry.start_batch() > kMaxStartBatch) {
    return InvalidField("start_batch", absl::StrCat("must be 1 to ", kMaxStartBatch, ", or 0 for the general size"));
  }
  if ((entry.input().mean_size() != 0 && entry.input().mean_size() != 3) ||
      (entry.input().scale_size() != 0 && entry.input().scale_size() != 3)) {
    return InvalidField("input", "mean and scale have 3 values or none");
  }
  return absl::OkStatus();
}

// Refuses a default that nobody would use. `roles`: those of the analyzers that come with models.
absl::Status CheckRole(const ModelEntry& entry, const std::map<std::string, std::set<std::string>>& roles) {
  const auto known = roles.find(entry.task());
  if (!entry.default_for_task() || known == roles.end() || known->second.contains(entry.role())) {
    return absl::OkStatus();
  }
  if (known->second.contains("")) {
    return InvalidField("role", absl::StrCat(entry.task(), " takes one model: leave the role out"));
  }
  return InvalidField("role", absl::StrCat("`", entry.role(), "` is no role of ", entry.task(), "; there are ",
                                           absl::StrJoin(known->second, ", ")));
}

}  // namespace

absl::Status ModelCatalog::Add(const config::v1::ModelCatalog& catalog, const std::string& folder,
                               const std::string& file) {
  std::set<std::string> names;
  for (ModelEntry entry : catalog.models()) {
    absl::Status status = CheckEntry(entry);
    if (status.ok() && !names.insert(entry.name()).second) status = InvalidField("name", "is there twice");
    if (!status.ok()) return Annotate(status, absl::StrCat(file, ": model ", entry.name()));
    for (ModelFile& model_file : *entry.mutable_files()) {
      if (model_file.has_path() && !absl::StartsWith(model_file.path(), "/")) {
        model_file.set_path((std::filesystem::path(folder) / model_file.path()).string());
      }
    }
    // A user's default takes the place of the built-in one.
    if (entry.default_for_task()) {
      for (auto& [name, other] : models_) {
        if (other.task() == entry.task() && other.role() == entry.role()) other.set_default_for_task(false);
      }
    }
    models_[entry.name()] = std::move(entry);
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelCatalog> ModelCatalog::Load(const std::vector<std::string>& files) {
  ASSIGN_OR_RETURN(ModelCatalog catalog, Parse(kBuiltinCatalog, "built-in catalogue"));
  std::map<std::string, std::set<std::string>> roles;
  for (const auto& [name, entry] : catalog.models_) {
    if (entry.default_for_task()) roles[entry.task()].insert(entry.role());
  }
  for (const std::string& file : files) {
    config::v1::ModelCatalog own;
    RETURN_IF_ERROR(process::LoadConfigFile(file, &own));
    for (const ModelEntry& entry : own.models()) {
      if (const absl::Status status = CheckRole(entry, roles); !status.ok()) {
        return Annotate(status, absl::StrCat(file, ": model ", entry.name()));
      }
    }
    RETURN_IF_ERROR(catalog.Add(own, std::filesystem::absolute(file).parent_path().string(), file));
  }
  return catalog;
}

absl::StatusOr<ModelCatalog> ModelCatalog::Parse(std::string_view text, const std::string& name) {
  config::v1::ModelCatalog parsed;
  RETURN_IF_ERROR(process::ParseConfig(text, name, &parsed));
  ModelCatalog catalog;
  RETURN_IF_ERROR(catalog.Add(parsed, ".", name));
  return catalog;
}

const ModelEntry* ModelCatalog::Find(std::string_view name) const {
  const auto it = models_.find(name);
  return it == models_.end() ? nullptr : &it->second;
}

const ModelEntry* ModelCatalog::DefaultFor(std::string_view task, std::string_view role) const {
  for (const auto& [name, entry] : models_) {
    if (entry.task() == task && entry.role() == role && entry.default_for_task()) return &entry;
  }
  return nullptr;
}

}  // namespace reelsight::model_store
