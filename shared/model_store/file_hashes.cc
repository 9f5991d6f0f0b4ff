// SPDX-License-Identifier: Apache-2.0
#include "shared/model_store/file_hashes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shared/digest/sha256.h"
#include "shared/telemetry/log.h"

namespace reelsight::model_store {
namespace {

constexpr char kMemory[] = ".hashes";

// Of `.hashes`: SHA-256, size, modification and change in nanoseconds, inode, name.
constexpr size_t kIdentityWords = 4;

// Size, times and inode, as `.hashes` has them; empty: there is no such file.
std::string IdentityOf(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return "";
  const auto nanos = [](const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; };
  return absl::StrCat(info.st_size, " ", nanos(info.st_mtim), " ", nanos(info.st_ctim), " ", info.st_ino);
}

std::string FolderOf(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

}  // namespace

absl::StatusOr<std::string> FileHashes::Of(const std::string& path) {
  const std::string identity = IdentityOf(path);
  {
    MutexLock lock(mutex_);
    auto found = entries_.find(path);
    if (found == entries_.end() || found->second.identity != identity) {
      LoadLocked(FolderOf(path));
      found = entries_.find(path);
    }
    if (found != entries_.end() && !identity.empty() && found->second.identity == identity) {
      return found->second.sha256;
    }
  }
  absl::StatusOr<std::string> hash = Read(path);
  // Of a file that was changed meanwhile, nobody knows what was read.
  if (hash.ok() && IdentityOf(path) == identity) Remember(path, *hash);
  return hash;
}

absl::StatusOr<std::string> FileHashes::Read(const std::string& path) {
  absl::StatusOr<std::string> hash = FileSha256(path);
  MutexLock lock(mutex_);
  ++reads_;
  return hash;
}

void FileHashes::Remember(const std::string& path, std::string_view sha256) {
  const std::string folder = FolderOf(path), identity = IdentityOf(path);
  if (identity.empty()) return;
  bool tell = false;
  {
    MutexLock lock(mutex_);
    LoadLocked(folder);
    entries_[path] = {identity, std::string(sha256)};
    if (!SaveLocked(folder)) tell = !std::exchange(told_, true);
  }
  if (!tell) return;
  telemetry::Log(telemetry::LogLevel::kInfo, "",
                 "the hashes of models are remembered by this process only: their folder cannot be written",
                 {{"folder", folder}});
}

int64_t FileHashes::reads() const {
  MutexLock lock(mutex_);
  return reads_;
}

void FileHashes::LoadLocked(const std::string& folder) {
  std::ifstream file(absl::StrCat(folder, "/", kMemory));
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Entry entry;
    words >> entry.sha256;
    for (size_t i = 0; i < kIdentityWords; ++i) {
      std::string word;
      words >> word;
      absl::StrAppend(&entry.identity, i == 0 ? "" : " ", word);
    }
    std::string name;
    if (!(words >> std::ws) || !std::getline(words, name)) continue;
    const std::string path = absl::StrCat(folder, "/", name);
    // Another process may know a newer state of the file.
    const auto known = entries_.find(path);
    if (known == entries_.end() || known->second.identity != IdentityOf(path)) entries_[path] = std::move(entry);
  }
}

bool FileHashes::SaveLocked(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/", kMemory), part = absl::StrCat(path, ".", getpid(), ".part");
  std::ofstream file(part);
  for (const auto& [entry_path, entry] : entries_) {
    const std::string name = std::filesystem::path(entry_path).filename().string();
    if (FolderOf(entry_path) == folder) file << entry.sha256 << " " << entry.identity << " " << name << "\n";
  }
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(part, path, error);
  const bool saved = file && !error;
  if (!saved) std::filesystem::remove(part, error);
  return saved;
}

absl::StatusOr<std::string> FileSha256(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot open ", path));
  digest::Sha256 hash;
  std::vector<char> buffer(size_t{1} << 20);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    hash.Update({buffer.data(), static_cast<size_t>(file.gcount())});
  }
  if (file.bad()) return absl::InternalError(absl::StrCat("cannot read ", path));
  return hash.HexDigest();
}

}  // namespace reelsight::model_store
