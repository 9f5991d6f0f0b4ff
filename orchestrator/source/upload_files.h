// SPDX-License-Identifier: Apache-2.0
//
// The files of an UploadStore: one with the bytes and one with what is known of them, for each upload. Not the rules:
// those are the store's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shared/base/mutex.h"
#include "shared/base/unique_fd.h"

namespace reelsight::orchestrator {

// Not thread-safe with itself for one id; different ids do not meet.
class UploadFiles {
 public:
  // What is known of an upload.
  struct Record {
    std::string upload_id;
    // 0: unknown.
    int64_t total_bytes = 0;
    // Lower case; empty: not checked.
    std::string sha256;
    bool complete = false;
    // Size of the file with the bytes.
    int64_t size_bytes = 0;
    // Found by Load: how long ago the file was last written. By the wall clock, the only one that outlives a process;
    // never negative, but as wrong as that clock was set.
    absl::Duration age;
  };

  // Makes and locks `directory`. Empty: a fresh one, made for the first upload and removed at the end with all in it.
  // FAILED_PRECONDITION if it cannot be used.
  static absl::StatusOr<std::unique_ptr<UploadFiles>> Create(const std::string& directory);
  ~UploadFiles();
  UploadFiles(const UploadFiles&) = delete;
  UploadFiles& operator=(const UploadFiles&) = delete;

  // Uploads that an earlier process left. Files that belong to none are deleted.
  std::vector<Record> Load() const;
  // The file with the bytes, for reading and writing; made if it is not there.
  absl::StatusOr<UniqueFd> OpenData(const std::string& upload_id) const;
  // Writes the record so that it is there whole or not at all.
  absl::Status Save(const Record& record) const;
  void Remove(const std::string& upload_id) const;
  // Empty while there is none.
  std::string directory() const;

  // True for what RandomId makes; other ids never become part of a path.
  static bool IsId(std::string_view text);

 private:
  explicit UploadFiles(bool temporary) : temporary_(temporary) {}
  // Locks `path`, which is there, and makes it the folder.
  absl::Status Take(std::string path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeTemporary() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::string Path(const std::string& upload_id, std::string_view suffix) const;

  const bool temporary_;
  mutable Mutex mutex_;
  // Set once.
  mutable std::string directory_ ABSL_GUARDED_BY(mutex_);
  mutable UniqueFd lock_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace reelsight::orchestrator
