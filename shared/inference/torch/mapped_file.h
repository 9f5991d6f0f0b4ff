// SPDX-License-Identifier: Apache-2.0
//
// A file's bytes in memory, mapped, not read.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace reelsight::inference {

// Thread-safe. The file must not be made shorter while it is mapped; a model in the store never is.
class MappedFile {
 public:
  // NOT_FOUND if there is no such file, DATA_LOSS, MODEL_CORRUPT if it is empty or cannot be mapped.
  static absl::StatusOr<std::shared_ptr<const MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Private to this process: writing to them would not change the file.
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  MappedFile(std::byte* data, size_t size) : data_(data), size_(size) {}

  std::byte* const data_;
  const size_t size_;
};

}  // namespace reelsight::inference
