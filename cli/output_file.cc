// SPDX-License-Identifier: Apache-2.0
#include "cli/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace reelsight::cli {
namespace {

std::atomic<bool> reader_gone{false};

absl::Status FileError(int error, const std::string& path, const char* hint) {
  const std::string message = absl::StrCat("cannot write ", path, ": ", strerror(error), hint);
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(message);
    case EISDIR:
      return absl::InvalidArgumentError(message);
    default:
      return absl::InternalError(message);
  }
}

// 0 or an errno.
int WriteAll(int fd, const std::string& content) {
  for (size_t done = 0; done < content.size();) {
    const ssize_t written = write(fd, content.data() + done, content.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    done += static_cast<size_t>(written);
  }
  return 0;
}

absl::Status WriteStraight(const std::string& path, const std::string& content) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return FileError(errno, path, "");
  const int error = WriteAll(fd, content);
  close(fd);
  return error == 0 ? absl::OkStatus() : FileError(error, path, "");
}

}  // namespace

absl::Status WriteFileAtomically(const std::string& path, const std::string& content) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (std::filesystem::is_directory(status)) return FileError(EISDIR, path, "; name a file");
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return WriteStraight(path, content);
  }
  std::string target = path;
  if (std::filesystem::exists(status)) {
    const auto real = std::filesystem::canonical(path, ignored);
    if (!ignored) target = real.string();
  }
  std::string temporary = target + ".XXXXXX";
  const int fd = mkstemp(temporary.data());
  if (fd < 0) return FileError(errno, path, errno == ENOENT ? "; make its folder first" : "");
  const mode_t mask = umask(0);
  umask(mask);
  struct stat old {};
  const mode_t mode = stat(target.c_str(), &old) == 0 ? old.st_mode & 07777 : 0666 & ~mask;
  int error = WriteAll(fd, content);
  if (error == 0 && fchmod(fd, mode) != 0) error = errno;
  if (close(fd) != 0 && error == 0) error = errno;
  if (error == 0 && rename(temporary.c_str(), target.c_str()) != 0) error = errno;
  if (error != 0) unlink(temporary.c_str());
  return error == 0 ? absl::OkStatus() : FileError(error, path, "");
}

absl::Status CheckWritable(const std::string& path, bool make_folders) {
  if (path.empty()) return absl::InvalidArgumentError("the name of the file is empty");
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::is_directory(status)) return FileError(EISDIR, path, "; name a file");
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return access(path.c_str(), W_OK) == 0 ? absl::OkStatus() : FileError(errno, path, "");
  }
  auto folder = std::filesystem::absolute(path, error).parent_path();
  while (make_folders && !std::filesystem::exists(folder, error) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  if (access(folder.c_str(), F_OK) != 0) return FileError(ENOENT, path, "; make its folder first");
  if (!std::filesystem::is_directory(folder, error)) return FileError(ENOTDIR, path, "");
  return access(folder.c_str(), W_OK) == 0 ? absl::OkStatus() : FileError(errno, path, "");
}

bool SameFile(const std::string& a, const std::string& b) {
  std::error_code error;
  if (std::filesystem::equivalent(a, b, error)) return true;
  const auto real_a = std::filesystem::weakly_canonical(std::filesystem::absolute(a, error), error);
  const auto real_b = std::filesystem::weakly_canonical(std::filesystem::absolute(b, error), error);
  return !error && real_a == real_b;
}

absl::Status WriteStdout(const std::string& content) {
  if (std::fflush(stdout) != 0) return FileError(errno, "standard output", "");
  const int error = WriteAll(STDOUT_FILENO, content);
  if (error == EPIPE) {
    reader_gone = true;
    return absl::AbortedError("nobody reads standard output any more");
  }
  return error == 0 ? absl::OkStatus() : FileError(error, "standard output", "");
}

void EndIfReaderGone() {
  if (!reader_gone) return;
  std::signal(SIGPIPE, SIG_DFL);
  std::raise(SIGPIPE);
}

}  // namespace reelsight::cli
