// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/file_source.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "orchestrator/source/redact_uri.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// A file is looked at before it is opened for reading: opening a FIFO or a device has effects of its own.
constexpr int kLook = O_PATH | O_CLOEXEC;
constexpr int kRead = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// The names in a path, without empty ones and `.`.
std::vector<std::string> Components(std::string_view path) {
  std::vector<std::string> components;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    if (!name.empty() && name != ".") components.emplace_back(name);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return components;
}

// Opens component by component and follows no link at all. For kernels and sandboxes without openat2.
UniqueFd OpenWithoutLinks(int root_fd, const std::vector<std::string>& components, int flags) {
  UniqueFd folder;
  int at = root_fd;
  for (size_t i = 0; i + 1 < components.size(); ++i) {
    UniqueFd next(openat(at, components[i].c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next.ok()) return UniqueFd();
    folder = std::move(next);
    at = folder.get();
  }
  UniqueFd file(openat(at, components.back().c_str(), flags | O_NOFOLLOW));
  // With O_PATH a link is opened itself.
  struct stat info = {};
  if (file.ok() && fstat(file.get(), &info) == 0 && S_ISLNK(info.st_mode)) {
    errno = ELOOP;
    return UniqueFd();
  }
  return file;
}

// Opens a file below `root_fd`; the kernel sees to it that no link leads out. Sets errno.
UniqueFd OpenBeneath(int root_fd, const std::vector<std::string>& components, int flags) {
  std::string relative;
  for (const std::string& name : components) absl::StrAppend(&relative, relative.empty() ? "" : "/", name);
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0; attempt < 8; ++attempt) {
    UniqueFd fd(static_cast<int>(syscall(SYS_openat2, root_fd, relative.c_str(), &how, sizeof(how))));
    // EAGAIN: something was renamed meanwhile, so that the kernel could not be sure.
    if (fd.ok() || errno != EAGAIN) {
      if (!fd.ok() && (errno == ENOSYS || errno == EPERM)) return OpenWithoutLinks(root_fd, components, flags);
      return fd;
    }
  }
  errno = EAGAIN;
  return UniqueFd();
}

absl::Status OpenError(int error, const std::string& path) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return MakeError(absl::StatusCode::kNotFound, Reason::kSourceNotFound, absl::StrCat("no such file: ", path));
    case EACCES:
    case EPERM:
      return MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                       absl::StrCat("no permission to read the file: ", path));
    case EXDEV:
    case ELOOP:
      return MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                       absl::StrCat("a link leads out of the folder that may be read, or in a circle: ", path));
    case ENAMETOOLONG:
      return InvalidArgument(Reason::kSourceNotFound, "the path is too long");
    default:
      return MakeError(absl::StatusCode::kUnavailable, Reason::kSourceUnreachable,
                       absl::StrCat("cannot open ", path, ": ", std::strerror(error)));
  }
}

// Opens `path` within `rules`; sets errno if that fails. Returns an error where the rules forbid the path itself.
class Locator {
 public:
  static absl::StatusOr<Locator> Create(const std::string& path, const FileSource::Rules& rules) {
    Locator locator;
    locator.path_ = path;
    if (rules.allow_any_file) return locator;
    if (path[0] != '/') {
      return InvalidField("uri", "a file's path must be absolute; other sources start with http://, https:// or s3://");
    }
    const std::vector<std::string> components = Components(path);
    if (std::find(components.begin(), components.end(), "..") != components.end()) {
      return MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                       absl::StrCat("paths with `..` are refused: ", RedactUri(path)));
    }
    size_t deepest = 0;
    for (const std::string& root : rules.roots) {
      const std::vector<std::string> prefix = Components(root);
      if (prefix.size() >= components.size() || !std::equal(prefix.begin(), prefix.end(), components.begin())) continue;
      if (locator.root_.has_value() && prefix.size() <= deepest) continue;
      deepest = prefix.size();
      locator.root_ = root;
      locator.below_.assign(components.begin() + static_cast<ptrdiff_t>(deepest), components.end());
    }
    if (!locator.root_.has_value()) {
      return MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                       absl::StrCat("not below a folder that this server may read (sources.file_roots of its "
                                    "configuration): ",
                                    RedactUri(path)));
    }
    return locator;
  }

  UniqueFd Open(int flags) const {
    if (!root_.has_value()) return UniqueFd(open(path_.c_str(), flags));
    const UniqueFd root(open(root_->c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root.ok()) return UniqueFd();
    return OpenBeneath(root.get(), below_, flags);
  }

 private:
  std::string path_;
  // Absent: any file.
  std::optional<std::string> root_;
  // Names from the root to the file.
  std::vector<std::string> below_;
};

absl::Status CheckRegular(int fd, const std::string& path, struct stat& info) {
  if (fstat(fd, &info) != 0) return OpenError(errno, path);
  if (S_ISDIR(info.st_mode)) {
    return InvalidArgument(Reason::kSourceNotVideo, absl::StrCat("a folder, not a video file: ", path));
  }
  if (!S_ISREG(info.st_mode)) {
    return InvalidArgument(Reason::kSourceNotVideo,
                           absl::StrCat("not a regular file (pipes, sockets and devices are not read): ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileSource>> FileSource::Open(const std::string& path, const Rules& rules) {
  if (path.empty()) return InvalidField("uri", "the path is empty");
  if (path.find('\0') != std::string::npos) return InvalidField("uri", "the path holds a zero byte");
  ASSIGN_OR_RETURN(const Locator locator, Locator::Create(path, rules));
  // What cannot be opened may be a URL that is written wrongly.
  struct stat info = {};
  {
    const UniqueFd look = locator.Open(kLook);
    if (!look.ok()) return OpenError(errno, RedactUri(path));
    RETURN_IF_ERROR(CheckRegular(look.get(), path, info));
  }
  UniqueFd fd = locator.Open(kRead);
  if (!fd.ok()) return OpenError(errno, RedactUri(path));
  RETURN_IF_ERROR(CheckRegular(fd.get(), path, info));
  if (info.st_size == 0) return InvalidArgument(Reason::kSourceEmpty, absl::StrCat("the file is empty: ", path));
  if (info.st_size > rules.max_bytes) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, Reason::kSourceTooLarge,
        absl::StrCat("the file has ", info.st_size, " bytes, over the limit of ", rules.max_bytes, ": ", path));
  }
  posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  return std::make_unique<FileSource>(std::move(fd), info.st_size, path);
}

FileSource::FileSource(UniqueFd fd, int64_t size_bytes, std::string name)
    : fd_(std::move(fd)), size_bytes_(size_bytes), name_(std::move(name)) {}

absl::StatusOr<size_t> FileSource::ReadAt(int64_t offset, std::span<uint8_t> into, const CancelToken& cancel) {
  RETURN_IF_ERROR(cancel.status());
  if (offset < 0 || offset >= size_bytes_) return 0;
  // A file that grows meanwhile ends where it ended when it was opened.
  const size_t wanted = std::min<size_t>(into.size(), static_cast<size_t>(size_bytes_ - offset));
  while (true) {
    const ssize_t count = pread(fd_.get(), into.data(), wanted, offset);
    if (count >= 0) {
      read_bytes_ += count;
      return static_cast<size_t>(count);
    }
    if (errno != EINTR) {
      return MakeError(absl::StatusCode::kUnavailable, Reason::kSourceUnreachable,
                       absl::StrCat("cannot read ", name_, ": ", std::strerror(errno)));
    }
  }
}

}  // namespace reelsight::orchestrator
