// SPDX-License-Identifier: Apache-2.0
//
// A video in a local file. Decides which files may be opened at all: in a server only regular files below configured
// folders, whatever links and `..` a path may hold.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "orchestrator/source/byte_source.h"
#include "shared/base/unique_fd.h"

namespace reelsight::orchestrator {

class FileSource final : public ByteSource {
 public:
  struct Rules {
    // Folders whose files may be opened; absolute paths. A link inside a root may lead to another place inside it,
    // never out of it.
    std::vector<std::string> roots;
    // If true, any file may be opened, and paths may be relative to the working directory. For the embedded program.
    bool allow_any_file = false;
    // Largest file, in bytes.
    int64_t max_bytes = int64_t{2} << 30;
  };

  // Opens the file at `path`. Does not block on FIFOs and devices: only regular files are opened. Errors: NOT_FOUND,
  // PERMISSION_DENIED (SOURCE_FORBIDDEN: outside the roots, or not readable), INVALID_ARGUMENT (not a regular file,
  // SOURCE_EMPTY), FAILED_PRECONDITION (SOURCE_TOO_LARGE).
  static absl::StatusOr<std::unique_ptr<FileSource>> Open(const std::string& path, const Rules& rules);

  // Reads what `fd` refers to, of `size_bytes`.
  FileSource(UniqueFd fd, int64_t size_bytes, std::string name);

  absl::StatusOr<size_t> ReadAt(int64_t offset, std::span<uint8_t> into, const CancelToken& cancel) override;
  int64_t size_bytes() const override { return size_bytes_; }
  int64_t read_bytes() const override { return read_bytes_; }
  const std::string& name() const override { return name_; }

 private:
  const UniqueFd fd_;
  const int64_t size_bytes_;
  const std::string name_;
  int64_t read_bytes_ = 0;
};

}  // namespace reelsight::orchestrator
