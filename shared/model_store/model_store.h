// SPDX-License-Identifier: Apache-2.0
//
// The models on this machine: where their files lie and whether they are there. It loads none of them and fetches none:
// see inference/model_runtime.h and model_puller.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/model_store/file_hashes.h"
#include "shared/model_store/model_catalog.h"

namespace reelsight::model_store {

// Folder of models: $REELSIGHT_MODELS, else $XDG_CACHE_HOME/reelsight/models, else ~/.cache/reelsight/models.
std::string DefaultDirectory();

// Thread-safe. A model's files lie in DIRECTORY/NAME/VERSION.
class ModelStore {
 public:
  struct Options {
    // Empty: DefaultDirectory().
    std::string directory;
    // Catalogues beside the built-in one; see ModelCatalog::Load.
    std::vector<std::string> catalog_files;
  };

  static absl::StatusOr<ModelStore> Open(Options options);
  ModelStore(ModelCatalog catalog, std::string directory);

  const ModelCatalog& catalog() const { return catalog_; }
  const std::string& directory() const { return directory_; }

  // DIRECTORY/NAME/VERSION.
  std::string FolderOf(const config::v1::ModelEntry& entry) const;
  // Where a model lies that is one file, whether it is installed or not.
  std::string MainFileOf(const config::v1::ModelEntry& entry) const;
  // What is loaded, whether it is installed or not: MainFileOf, or FolderOf a model that is a folder of files.
  std::string PathOf(const config::v1::ModelEntry& entry) const;

  // PathOf the model. FAILED_PRECONDITION, WEIGHTS_MISSING with the command that gets the model, if a file
  // is absent or of another size; INVALID_ARGUMENT, INVALID_FIELD, if the catalogue lacks the name. Looks at sizes
  // only.
  absl::StatusOr<std::string> Installed(std::string_view name) const;
  // Reads all files of an installed model: DATA_LOSS, MODEL_CORRUPT, naming the file and the command that mends it, if
  // a hash differs.
  absl::Status Verify(std::string_view name) const;
  // The same, but reads only files that changed since somebody last hashed them; see FileHashes.
  absl::Status Check(std::string_view name) const;

  // Of the files in the store; shared by copies of it.
  FileHashes& hashes() const { return *hashes_; }

 private:
  absl::Status CompareHashes(std::string_view name,
                             const std::function<absl::StatusOr<std::string>(const std::string& path)>& hash_of) const;
  absl::StatusOr<const config::v1::ModelEntry*> Entry(std::string_view name) const;

  ModelCatalog catalog_;
  std::string directory_;
  std::shared_ptr<FileHashes> hashes_;
};

}  // namespace reelsight::model_store
