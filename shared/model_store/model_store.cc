// SPDX-License-Identifier: Apache-2.0
#include "shared/model_store/model_store.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "shared/base/status.h"

namespace reelsight::model_store {
namespace {

using config::v1::ModelEntry;

// Holds the hash of a converted file, beside it.
std::string HashFileOf(const std::string& path) { return path + ".sha256"; }

absl::Status Missing(const ModelEntry& entry) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition, Reason::kWeightsMissing,
      absl::StrCat("model ", entry.name(), " is not installed; get it by: reelsight models pull ", entry.name()));
}

std::string FirstWord(const std::string& path) {
  std::string word;
  std::ifstream(path) >> word;
  return word;
}

}  // namespace

std::string DefaultDirectory() {
  if (const char* const own = std::getenv("REELSIGHT_MODELS"); own != nullptr && *own != '\0') return own;
  if (const char* const cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') {
    return absl::StrCat(cache, "/reelsight/models");
  }
  const char* const home = std::getenv("HOME");
  return absl::StrCat(home != nullptr && *home != '\0' ? home : "/tmp", "/.cache/reelsight/models");
}

absl::StatusOr<ModelStore> ModelStore::Open(Options options) {
  ASSIGN_OR_RETURN(ModelCatalog catalog, ModelCatalog::Load(options.catalog_files));
  return ModelStore(std::move(catalog), options.directory.empty() ? DefaultDirectory() : options.directory);
}

ModelStore::ModelStore(ModelCatalog catalog, std::string directory)
    : catalog_(std::move(catalog)), directory_(std::move(directory)), hashes_(std::make_shared<FileHashes>()) {}

std::string ModelStore::FolderOf(const ModelEntry& entry) const {
  return absl::StrCat(directory_, "/", entry.name(), "/", entry.version());
}

std::string ModelStore::MainFileOf(const ModelEntry& entry) const {
  return absl::StrCat(FolderOf(entry), "/", entry.has_converter() ? entry.converter().output() : entry.files(0).name());
}

std::string ModelStore::PathOf(const ModelEntry& entry) const {
  return entry.folder() ? FolderOf(entry) : MainFileOf(entry);
}

absl::StatusOr<const ModelEntry*> ModelStore::Entry(std::string_view name) const {
  if (const ModelEntry* const entry = catalog_.Find(name); entry != nullptr) return entry;
  return InvalidField("model",
                      absl::StrCat("the catalogue has no model ", std::string(name), "; it has ",
                                   absl::StrJoin(catalog_.models(), ", ",
                                                 [](std::string* out, const auto& item) { *out += item.first; })));
}

absl::StatusOr<std::string> ModelStore::Installed(std::string_view name) const {
  ASSIGN_OR_RETURN(const ModelEntry* const entry, Entry(name));
  std::error_code error;
  if (entry->has_converter()) {
    const std::string main_file = MainFileOf(*entry);
    // The hash file is written last, so it stands for a whole conversion. What it was made of may be gone.
    if (std::filesystem::is_regular_file(main_file, error) && std::filesystem::exists(HashFileOf(main_file), error)) {
      return main_file;
    }
    return Missing(*entry);
  }
  for (const config::v1::ModelFile& file : entry->files()) {
    const auto size = std::filesystem::file_size(absl::StrCat(FolderOf(*entry), "/", file.name()), error);
    if (error || static_cast<int64_t>(size) != file.size_bytes()) return Missing(*entry);
  }
  return PathOf(*entry);
}

absl::Status ModelStore::Verify(std::string_view name) const {
  return CompareHashes(name, [this](const std::string& path) {
    absl::StatusOr<std::string> hash = hashes_->Read(path);
    if (hash.ok()) hashes_->Remember(path, *hash);
    return hash;
  });
}

absl::Status ModelStore::Check(std::string_view name) const {
  return CompareHashes(name, [this](const std::string& path) { return hashes_->Of(path); });
}

absl::Status ModelStore::CompareHashes(
    std::string_view name, const std::function<absl::StatusOr<std::string>(const std::string& path)>& hash_of) const {
  RETURN_IF_ERROR(Installed(name).status());
  ASSIGN_OR_RETURN(const ModelEntry* const entry, Entry(name));
  std::vector<std::pair<std::string, std::string>> expected;
  if (entry->has_converter()) {
    expected.emplace_back(MainFileOf(*entry), FirstWord(HashFileOf(MainFileOf(*entry))));
  } else {
    for (const config::v1::ModelFile& file : entry->files()) {
      expected.emplace_back(absl::StrCat(FolderOf(*entry), "/", file.name()), absl::AsciiStrToLower(file.sha256()));
    }
  }
  for (const auto& [path, hash] : expected) {
    ASSIGN_OR_RETURN(const std::string actual, hash_of(path));
    if (actual == hash) continue;
    return MakeError(absl::StatusCode::kDataLoss, Reason::kModelCorrupt,
                     absl::StrCat(path, " has SHA-256 ", actual, ", not ", hash,
                                  "; get it anew by: reelsight models pull ", entry->name(), " --force"));
  }
  return absl::OkStatus();
}

}  // namespace reelsight::model_store
