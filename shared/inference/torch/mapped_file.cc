// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/torch/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::inference {

absl::StatusOr<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return absl::NotFoundError(absl::StrCat("no model file ", path, ": ", std::strerror(errno)));
  struct stat status = {};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
    close(file);
    return MakeError(absl::StatusCode::kDataLoss, Reason::kModelCorrupt,
                     absl::StrCat("cannot read ", path, ": it is empty or no file"));
  }
  const auto size = static_cast<size_t>(status.st_size);
  void* const data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  const int error = errno;
  close(file);
  if (data == MAP_FAILED) {
    return MakeError(absl::StatusCode::kDataLoss, Reason::kModelCorrupt,
                     absl::StrCat("cannot map ", path, ": ", std::strerror(error)));
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(static_cast<std::byte*>(data), size));
}

MappedFile::~MappedFile() { munmap(data_, size_); }

}  // namespace reelsight::inference
