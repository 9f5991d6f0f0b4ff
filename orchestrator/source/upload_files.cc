// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/upload_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

namespace fs = std::filesystem;

// Of what RandomId makes.
constexpr size_t kIdDigits = 32;
constexpr char kDataSuffix[] = ".data";
constexpr char kRecordSuffix[] = ".record";
constexpr char kFormatName[] = "reelsight-upload-1";

absl::Status FolderError(const std::string& directory, std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kInvalidField,
                   absl::StrCat("uploads.directory `", directory, "`: ", absl::string_view(what.data(), what.size())));
}

absl::Status DiskError(const std::string& doing, int error) {
  if (error == ENOSPC || error == EDQUOT) {
    return WithRetryDelay(MakeError(absl::StatusCode::kResourceExhausted, Reason::kUploadQuota,
                                    absl::StrCat(doing, ": the server's disk is full; try again later")),
                          absl::Seconds(60));
  }
  return MakeError(absl::StatusCode::kInternal, Reason::kInternal, absl::StrCat(doing, ": ", std::strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<UploadFiles>> UploadFiles::Create(const std::string& directory) {
  std::unique_ptr<UploadFiles> files(new UploadFiles(directory.empty()));
  if (directory.empty()) return files;
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return FolderError(directory, error.message());
  // Other users' programs have no business with what callers send.
  if (chmod(directory.c_str(), 0700) != 0) return FolderError(directory, std::strerror(errno));
  MutexLock lock(files->mutex_);
  RETURN_IF_ERROR(files->Take(directory));
  return files;
}

UploadFiles::~UploadFiles() {
  std::error_code ignored;
  const std::string path = directory();
  if (temporary_ && !path.empty()) fs::remove_all(path, ignored);
}

absl::Status UploadFiles::Take(std::string path) const {
  UniqueFd lock(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.ok()) return FolderError(path, std::strerror(errno));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return FolderError(path, "another server uses it; give each server a folder of its own");
  }
  directory_ = std::move(path);
  lock_ = std::move(lock);
  return absl::OkStatus();
}

absl::Status UploadFiles::MakeTemporary() const {
  MutexLock lock(mutex_);
  if (!directory_.empty()) return absl::OkStatus();
  std::error_code error;
  const fs::path base = fs::temp_directory_path(error);
  if (error) return DiskError("the server has no folder for temporary files", error.value());
  std::string path = (base / "reelsight-uploads-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) return DiskError("cannot make a folder for uploads", errno);
  return Take(std::move(path));
}

std::string UploadFiles::directory() const {
  MutexLock lock(mutex_);
  return directory_;
}

std::string UploadFiles::Path(const std::string& upload_id, std::string_view suffix) const {
  return absl::StrCat(directory(), "/", upload_id, absl::string_view(suffix.data(), suffix.size()));
}

std::vector<UploadFiles::Record> UploadFiles::Load() const {
  std::vector<Record> records;
  std::error_code error;
  std::set<std::string> ids;
  const std::string path = directory();
  if (path.empty()) return records;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    const std::string stem = entry.path().stem().string();
    if (IsId(stem)) ids.insert(stem);
  }
  const absl::Time now = absl::Now();
  for (const std::string& id : ids) {
    Record record;
    record.upload_id = id;
    std::ifstream file(Path(id, kRecordSuffix));
    std::string format, sha256;
    file >> format >> record.total_bytes >> sha256 >> record.complete;
    struct stat info = {};
    if (!file || format != kFormatName || stat(Path(id, kDataSuffix).c_str(), &info) != 0 ||
        (record.complete && info.st_size != record.total_bytes)) {
      Remove(id);
      continue;
    }
    if (sha256 != "-") record.sha256 = sha256;
    record.size_bytes = info.st_size;
    record.age = std::max(absl::ZeroDuration(), now - absl::TimeFromTimespec(info.st_mtim));
    records.push_back(std::move(record));
  }
  return records;
}

absl::StatusOr<UniqueFd> UploadFiles::OpenData(const std::string& upload_id) const {
  if (temporary_) RETURN_IF_ERROR(MakeTemporary());
  UniqueFd fd(open(Path(upload_id, kDataSuffix).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.ok()) return DiskError("cannot open the upload's file", errno);
  return fd;
}

absl::Status UploadFiles::Save(const Record& record) const {
  const std::string path = Path(record.upload_id, kRecordSuffix);
  const std::string fresh = Path(record.upload_id, ".fresh");
  std::ostringstream text;
  text << kFormatName << ' ' << record.total_bytes << ' ' << (record.sha256.empty() ? "-" : record.sha256) << ' '
       << record.complete << '\n';
  const std::string bytes = text.str();
  const UniqueFd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.ok() || write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
      rename(fresh.c_str(), path.c_str()) != 0) {
    return DiskError("cannot write the upload's record", errno);
  }
  return absl::OkStatus();
}

void UploadFiles::Remove(const std::string& upload_id) const {
  for (const char* suffix : {kRecordSuffix, ".fresh", kDataSuffix}) unlink(Path(upload_id, suffix).c_str());
}

bool UploadFiles::IsId(std::string_view text) {
  return text.size() == kIdDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace reelsight::orchestrator
