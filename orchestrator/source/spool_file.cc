// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/spool_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {

absl::StatusOr<UniqueFd> MakeSpoolFile() {
  const char* folder = std::getenv("TMPDIR");
  if (folder == nullptr || *folder == 0) folder = "/tmp";
  UniqueFd fd(open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.ok()) return fd;
  // A file system without nameless files.
  std::string path = absl::StrCat(folder, "/reelsight-spool-XXXXXX");
  fd = UniqueFd(mkostemp(path.data(), O_CLOEXEC));
  if (!fd.ok()) {
    const bool full = errno == ENOSPC || errno == EDQUOT;
    return MakeError(full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal, Reason::kInternal,
                     absl::StrCat("cannot make a temporary file in ", folder, ": ", std::strerror(errno)));
  }
  unlink(path.c_str());
  return fd;
}

}  // namespace reelsight::orchestrator
