// SPDX-License-Identifier: Apache-2.0
//
// Hashes of large files, remembered for as long as the files are unchanged: by size, times, inode and place. Beside the
// files, in `.hashes`, so that the next process need not read them; where that cannot be written, in memory only. Not a
// protection from who may write there.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "shared/base/mutex.h"

namespace reelsight::model_store {

// Thread-safe; several processes may use the same files.
class FileHashes {
 public:
  // SHA-256 of a file, 64 lower case hexadecimal digits. Reads it unless it is remembered; a change that leaves size
  // and both times as they were, to a few milliseconds, goes unnoticed. Blocks. NOT_FOUND or INTERNAL if it cannot be
  // read.
  absl::StatusOr<std::string> Of(const std::string& path);
  // The same, but always reads the file.
  absl::StatusOr<std::string> Read(const std::string& path);
  // Remembers the hash of the file as it is now: who calls this has just hashed its bytes.
  void Remember(const std::string& path, std::string_view sha256);

  // How often a file was read.
  int64_t reads() const;

 private:
  // Takes over what `.hashes` of a folder says, but for what is known already.
  void LoadLocked(const std::string& folder) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool SaveLocked(const std::string& folder) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  struct Entry {
    std::string identity;
    std::string sha256;
  };

  mutable Mutex mutex_;
  // By path.
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  int64_t reads_ ABSL_GUARDED_BY(mutex_) = 0;
  bool told_ ABSL_GUARDED_BY(mutex_) = false;
};

// SHA-256 of a file, 64 lower case hexadecimal digits. NOT_FOUND or INTERNAL if it cannot be read.
absl::StatusOr<std::string> FileSha256(const std::string& path);

}  // namespace reelsight::model_store
