// SPDX-License-Identifier: Apache-2.0
#include "cli/stdin_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "orchestrator/source/spool_file.h"
#include "shared/base/status.h"

namespace reelsight::cli {
namespace {

constexpr int kCancelCheckMs = 50;

absl::Status SpoolError(const char* what) {
  const int error = errno;
  const std::string message = absl::StrCat("standard input: ", what, ": ", strerror(error));
  return error == ENOSPC || error == EDQUOT ? absl::ResourceExhaustedError(message) : absl::InternalError(message);
}

}  // namespace

absl::StatusOr<UniqueFd> SpoolStdin(const CancelToken& cancel) {
  struct stat info {};
  if (fstat(STDIN_FILENO, &info) != 0) return SpoolError("cannot read it");
  if (S_ISREG(info.st_mode)) return UniqueFd(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  ASSIGN_OR_RETURN(UniqueFd file, orchestrator::MakeSpoolFile());
  std::vector<char> buffer(size_t{1} << 20);
  while (true) {
    RETURN_IF_ERROR(cancel.status());
    pollfd ready{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    const int polled = poll(&ready, 1, kCancelCheckMs);
    if (polled == 0 || (polled < 0 && errno == EINTR)) continue;
    const ssize_t size = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) return SpoolError("cannot read it");
    if (size == 0) return file;
    for (ssize_t done = 0; done < size;) {
      const ssize_t written = write(file.get(), buffer.data() + done, static_cast<size_t>(size - done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return SpoolError("no room for it in the folder for temporary files");
      done += written;
    }
  }
}

}  // namespace reelsight::cli
