// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/fetched_bytes.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "orchestrator/source/spool_file.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {

absl::Status FetchedBytes::UseSpool() {
  ASSIGN_OR_RETURN(spool_, MakeSpoolFile());
  return absl::OkStatus();
}

absl::StatusOr<size_t> FetchedBytes::Write(int64_t position, std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    const std::string_view rest = bytes.substr(taken);
    if (!spooled()) {
      const size_t count = cache_.Write(position + static_cast<int64_t>(taken), rest);
      if (count == 0) return taken;
      taken += count;
      continue;
    }
    const ssize_t count = pwrite(spool_.get(), rest.data(), rest.size(), spool_bytes_);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      return MakeError(absl::StatusCode::kResourceExhausted, Reason::kServerBusy,
                       "the server's disk has no room for a download; try again later");
    }
    spool_bytes_ += count;
    taken += static_cast<size_t>(count);
  }
  return taken;
}

absl::StatusOr<size_t> FetchedBytes::Read(int64_t offset, std::span<uint8_t> into) {
  if (!spooled()) return cache_.Read(offset, into);
  if (offset >= spool_bytes_) return 0;
  const size_t wanted = std::min<size_t>(into.size(), static_cast<size_t>(spool_bytes_ - offset));
  const ssize_t count = pread(spool_.get(), into.data(), wanted, offset);
  if (count <= 0) {
    return MakeError(absl::StatusCode::kInternal, Reason::kInternal, "cannot read the temporary file of a download");
  }
  return static_cast<size_t>(count);
}

}  // namespace reelsight::orchestrator
