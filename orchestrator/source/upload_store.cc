// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/upload_store.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/source/file_source.h"
#include "orchestrator/source/upload_files.h"
#include "shared/base/mutex.h"
#include "shared/base/random_id.h"
#include "shared/base/status.h"
#include "shared/digest/sha256.h"

namespace reelsight::orchestrator {
namespace {

using Clock = std::chrono::steady_clock;

// What an upload counts for at least, so that empty ones cannot be opened without end.
constexpr int64_t kMinChargeBytes = 64 << 10;
constexpr int64_t kHashBufferBytes = 1 << 20;

// One upload. Guarded by the store's mutex, but for what only the writer uses.
struct Upload {
  UploadFiles::Record record;
  Clock::time_point expires_at;
  bool has_writer = false;
  int pins = 0;
  // The writer's: the hash of the first bytes, kept from one writer to the next.
  digest::Sha256 hash;
  int64_t hashed_bytes = 0;

  int64_t charge_bytes() const { return std::max(kMinChargeBytes, record.size_bytes); }
};

// What store, writers and sources share; whichever is last destroys it.
struct Core {
  UploadStore::Options options;
  std::unique_ptr<UploadFiles> files;

  mutable Mutex mutex;
  CondVar stop_changed;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  std::map<std::string, std::shared_ptr<Upload>> uploads ABSL_GUARDED_BY(mutex);
  int64_t used_bytes ABSL_GUARDED_BY(mutex) = 0;

  // Null if there is none, or it has expired.
  std::shared_ptr<Upload> Find(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const auto found = uploads.find(id);
    if (found == uploads.end()) return nullptr;
    const Upload& upload = *found->second;
    return !upload.has_writer && upload.pins == 0 && upload.expires_at <= options.now() ? nullptr : found->second;
  }
  void Touch(Upload& upload) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    upload.expires_at = options.now() + absl::ToChronoNanoseconds(options.expiry);
  }
  void Drop(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const auto found = uploads.find(id);
    if (found == uploads.end()) return;
    used_bytes -= found->second->charge_bytes();
    uploads.erase(found);
    files->Remove(id);
  }
  int RemoveExpired() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const Clock::time_point now = options.now();
    std::vector<std::string> expired;
    for (const auto& [id, upload] : uploads) {
      if (!upload->has_writer && upload->pins == 0 && upload->expires_at <= now) expired.push_back(id);
    }
    for (const std::string& id : expired) Drop(id);
    return static_cast<int>(expired.size());
  }
  // Makes sure that `more_bytes` fit.
  absl::Status CheckQuota(int64_t more_bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (used_bytes + more_bytes > options.quota_bytes) RemoveExpired();
    if (used_bytes + more_bytes <= options.quota_bytes) return absl::OkStatus();
    return WithRetryDelay(
        MakeError(absl::StatusCode::kResourceExhausted, Reason::kUploadQuota,
                  absl::StrCat("no room for ", more_bytes, " more bytes of uploads (", used_bytes, " of ",
                               options.quota_bytes, " are in use); try again when older uploads have expired")),
        std::min(options.expiry, absl::Duration(absl::Minutes(1))));
  }
  UploadStore::State StateOf(const Upload& upload) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return {upload.record.upload_id, upload.record.size_bytes, upload.record.complete,
            absl::FromChrono(upload.expires_at - options.now())};
  }
};

absl::Status TooLarge(int64_t size_bytes, int64_t limit_bytes) {
  return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kSourceTooLarge,
                   absl::StrCat("an upload of ", size_bytes, " bytes is over the limit of ", limit_bytes));
}

absl::Status NotFound(const std::string& id) {
  // What is no id of ours is not repeated.
  return MakeError(absl::StatusCode::kNotFound, Reason::kSourceNotFound,
                   absl::StrCat("no upload ", UploadFiles::IsId(id) ? id : "of that id",
                                "; it has expired or never was: upload the file again"));
}

absl::Status WithCommitted(absl::Status status, int64_t committed_bytes) {
  return WithMetadata(std::move(status), "committed_bytes", absl::StrCat(committed_bytes));
}

class FileWriter final : public UploadStore::Writer {
 public:
  FileWriter(std::shared_ptr<Core> core, std::shared_ptr<Upload> upload, UniqueFd fd)
      : core_(std::move(core)), upload_(std::move(upload)), fd_(std::move(fd)) {}
  ~FileWriter() override {
    MutexLock lock(core_->mutex);
    upload_->has_writer = false;
    core_->Touch(*upload_);
  }

  absl::Status Append(std::string_view data) override {
    if (data.empty()) return absl::OkStatus();
    int64_t committed = 0;
    {
      MutexLock lock(core_->mutex);
      UploadFiles::Record& record = upload_->record;
      committed = record.size_bytes;
      const int64_t after = committed + static_cast<int64_t>(data.size());
      if (record.complete) return InvalidField("chunk.data", "the upload is finished; nothing can be added to it");
      if (record.total_bytes > 0 && after > record.total_bytes) {
        return InvalidField("chunk.data", absl::StrCat("more data than the ", record.total_bytes, " bytes announced"));
      }
      if (after > core_->options.max_upload_bytes) return TooLarge(after, core_->options.max_upload_bytes);
      const int64_t more = std::max(after, upload_->charge_bytes()) - upload_->charge_bytes();
      RETURN_IF_ERROR(core_->CheckQuota(more));
      reserved_bytes_ = more;
      core_->used_bytes += more;
    }
    const absl::Status written = Write(data, committed);
    if (written.ok() && upload_->hashed_bytes == committed) {
      upload_->hash.Update(data);
      upload_->hashed_bytes += static_cast<int64_t>(data.size());
    }
    MutexLock lock(core_->mutex);
    core_->used_bytes -= reserved_bytes_;
    const int64_t before = upload_->charge_bytes();
    if (written.ok()) upload_->record.size_bytes += static_cast<int64_t>(data.size());
    core_->used_bytes += upload_->charge_bytes() - before;
    core_->Touch(*upload_);
    return written;
  }

  absl::StatusOr<bool> HashMore(int64_t max_bytes) override {
    int64_t size_bytes = 0;
    {
      MutexLock lock(core_->mutex);
      const UploadFiles::Record& record = upload_->record;
      if (record.complete || record.sha256.empty()) return true;
      size_bytes = record.size_bytes;
    }
    const int64_t end = std::min(size_bytes, upload_->hashed_bytes + max_bytes);
    std::vector<char> buffer(
        static_cast<size_t>(std::clamp<int64_t>(end - upload_->hashed_bytes, 0, kHashBufferBytes)));
    while (upload_->hashed_bytes < end) {
      const size_t wanted = std::min(buffer.size(), static_cast<size_t>(end - upload_->hashed_bytes));
      const ssize_t count = pread(fd_.get(), buffer.data(), wanted, upload_->hashed_bytes);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        return MakeError(absl::StatusCode::kInternal, Reason::kInternal, "cannot read what was uploaded before");
      }
      upload_->hash.Update({buffer.data(), static_cast<size_t>(count)});
      upload_->hashed_bytes += count;
    }
    return upload_->hashed_bytes >= size_bytes;
  }

  absl::StatusOr<UploadStore::State> Finish() override {
    UploadFiles::Record record;
    {
      MutexLock lock(core_->mutex);
      if (upload_->record.complete) return core_->StateOf(*upload_);
      record = upload_->record;
    }
    if (record.size_bytes == 0) return InvalidArgument(Reason::kSourceEmpty, "the upload has no bytes");
    if (record.total_bytes > 0 && record.size_bytes != record.total_bytes) {
      return WithCommitted(
          InvalidArgument(Reason::kUploadIncomplete, absl::StrCat("the upload has ", record.size_bytes, " of ",
                                                                  record.total_bytes, " bytes; resume it there")),
          record.size_bytes);
    }
    RETURN_IF_ERROR(HashMore(record.size_bytes).status());
    if (const std::string actual = upload_->hash.HexDigest(); !record.sha256.empty() && actual != record.sha256) {
      MutexLock lock(core_->mutex);
      core_->Drop(record.upload_id);
      return InvalidArgument(Reason::kUploadHashMismatch,
                             absl::StrCat("the uploaded bytes have the SHA-256 ", actual, ", not ", record.sha256,
                                          "; the upload is deleted: upload the file again"));
    }
    record.complete = true;
    record.total_bytes = record.size_bytes;
    RETURN_IF_ERROR(core_->files->Save(record));
    MutexLock lock(core_->mutex);
    upload_->record = record;
    core_->Touch(*upload_);
    return core_->StateOf(*upload_);
  }

  UploadStore::State state() const override {
    MutexLock lock(core_->mutex);
    return core_->StateOf(*upload_);
  }

 private:
  // All of `data` or nothing.
  absl::Status Write(std::string_view data, int64_t offset) {
    int64_t at = offset;
    while (!data.empty()) {
      const ssize_t count = pwrite(fd_.get(), data.data(), data.size(), at);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        const int error = errno;
        (void)!ftruncate(fd_.get(), offset);
        const bool full = count == 0 || error == ENOSPC || error == EDQUOT;
        return full ? WithRetryDelay(MakeError(absl::StatusCode::kResourceExhausted, Reason::kUploadQuota,
                                               "the server's disk is full; try again later"),
                                     absl::Seconds(60))
                    : MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                                absl::StrCat("cannot write the upload: ", std::strerror(error)));
      }
      at += count;
      data.remove_prefix(static_cast<size_t>(count));
    }
    return absl::OkStatus();
  }

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<Upload> upload_;
  const UniqueFd fd_;
  int64_t reserved_bytes_ = 0;
};

// A finished upload, kept from expiring while it is read.
class UploadSource final : public ByteSource {
 public:
  UploadSource(std::shared_ptr<Core> core, std::shared_ptr<Upload> upload, UniqueFd fd, int64_t size_bytes,
               const std::string& id)
      : core_(std::move(core)), upload_(std::move(upload)), file_(std::move(fd), size_bytes, "upload " + id) {}
  ~UploadSource() override {
    MutexLock lock(core_->mutex);
    --upload_->pins;
    core_->Touch(*upload_);
  }

  absl::StatusOr<size_t> ReadAt(int64_t offset, std::span<uint8_t> into, const CancelToken& cancel) override {
    return file_.ReadAt(offset, into, cancel);
  }
  int64_t size_bytes() const override { return file_.size_bytes(); }
  int64_t read_bytes() const override { return file_.read_bytes(); }
  const std::string& name() const override { return file_.name(); }

 private:
  const std::shared_ptr<Core> core_;
  const std::shared_ptr<Upload> upload_;
  FileSource file_;
};

class DiskUploadStore final : public UploadStore {
 public:
  explicit DiskUploadStore(std::shared_ptr<Core> core) : UploadStore(core->options.sender), core_(std::move(core)) {
    if (core_->options.sweep_interval > absl::ZeroDuration()) sweeper_ = std::thread([this] { Sweep(); });
  }
  ~DiskUploadStore() override {
    {
      MutexLock lock(core_->mutex);
      core_->stopping = true;
    }
    core_->stop_changed.NotifyAll();
    if (sweeper_.joinable()) sweeper_.join();
  }

  absl::StatusOr<std::unique_ptr<Writer>> Open(const OpenRequest& request) override {
    OpenRequest checked = request;
    absl::AsciiStrToLower(&checked.sha256);
    if (!checked.sha256.empty() &&
        (checked.sha256.size() != 64 || checked.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)) {
      return InvalidField("open.sha256", "must be 64 hexadecimal digits, or empty");
    }
    if (checked.total_bytes < 0) return InvalidField("open.total_bytes", "must not be negative");
    if (checked.offset < 0) return InvalidField("open.offset", "must not be negative");
    if (checked.total_bytes > core_->options.max_upload_bytes) {
      return TooLarge(checked.total_bytes, core_->options.max_upload_bytes);
    }
    if (checked.total_bytes > core_->options.quota_bytes) {
      return MakeError(absl::StatusCode::kResourceExhausted, Reason::kUploadQuota,
                       absl::StrCat("an upload of ", checked.total_bytes, " bytes is over the ",
                                    core_->options.quota_bytes, " that all uploads together may have"));
    }
    std::shared_ptr<Upload> upload;
    if (checked.upload_id.empty()) {
      ASSIGN_OR_RETURN(upload, Begin(checked));
    } else {
      ASSIGN_OR_RETURN(upload, Resume(checked));
    }
    // From here on the upload is ours: has_writer is set.
    absl::StatusOr<std::unique_ptr<Writer>> writer = MakeWriter(upload);
    if (!writer.ok()) {
      MutexLock lock(core_->mutex);
      upload->has_writer = false;
      if (checked.upload_id.empty()) core_->Drop(upload->record.upload_id);
    }
    return writer;
  }

  absl::StatusOr<State> Query(const std::string& upload_id) override {
    MutexLock lock(core_->mutex);
    const std::shared_ptr<Upload> upload = core_->Find(upload_id);
    if (upload == nullptr) return NotFound(upload_id);
    return core_->StateOf(*upload);
  }

  absl::StatusOr<std::unique_ptr<ByteSource>> OpenSource(const std::string& upload_id) override {
    MutexLock lock(core_->mutex);
    const std::shared_ptr<Upload> upload = core_->Find(upload_id);
    if (upload == nullptr) return NotFound(upload_id);
    const UploadFiles::Record& record = upload->record;
    if (!record.complete) {
      return WithCommitted(
          MakeError(absl::StatusCode::kFailedPrecondition, Reason::kUploadIncomplete,
                    absl::StrCat("upload ", upload_id, " has ", record.size_bytes, " bytes and is not finished")),
          record.size_bytes);
    }
    ASSIGN_OR_RETURN(UniqueFd fd, core_->files->OpenData(upload_id));
    ++upload->pins;
    return std::make_unique<UploadSource>(core_, upload, std::move(fd), record.size_bytes, upload_id);
  }

  int RemoveExpired() override {
    MutexLock lock(core_->mutex);
    return core_->RemoveExpired();
  }
  int64_t used_bytes() const override {
    MutexLock lock(core_->mutex);
    return core_->used_bytes;
  }
  int64_t count() const override {
    MutexLock lock(core_->mutex);
    return static_cast<int64_t>(core_->uploads.size());
  }
  std::string directory() const override { return core_->files->directory(); }

 private:
  absl::StatusOr<std::shared_ptr<Upload>> Begin(const OpenRequest& request) {
    if (request.offset != 0) {
      return WithCommitted(
          InvalidArgument(Reason::kUploadOffsetMismatch, "a new upload begins at offset 0; to resume one, give its id"),
          0);
    }
    auto upload = std::make_shared<Upload>();
    upload->record.upload_id = RandomId();
    upload->record.total_bytes = request.total_bytes;
    upload->record.sha256 = request.sha256;
    upload->has_writer = true;
    MutexLock lock(core_->mutex);
    RETURN_IF_ERROR(core_->CheckQuota(upload->charge_bytes()));
    core_->used_bytes += upload->charge_bytes();
    core_->Touch(*upload);
    core_->uploads.emplace(upload->record.upload_id, upload);
    return upload;
  }

  absl::StatusOr<std::shared_ptr<Upload>> Resume(const OpenRequest& request) {
    MutexLock lock(core_->mutex);
    std::shared_ptr<Upload> upload = core_->Find(request.upload_id);
    if (upload == nullptr) return NotFound(request.upload_id);
    if (upload->has_writer) {
      return WithMetadata(MakeError(absl::StatusCode::kAborted, Reason::kUploadBusy,
                                    absl::StrCat("another call is writing upload ", request.upload_id,
                                                 "; wait until it has ended, ask for the committed size, and resume")),
                          "upload_id", request.upload_id);
    }
    UploadFiles::Record& record = upload->record;
    if (request.offset != record.size_bytes) {
      return WithCommitted(
          InvalidArgument(Reason::kUploadOffsetMismatch,
                          absl::StrCat("data must start at offset ", record.size_bytes, ", not ", request.offset)),
          record.size_bytes);
    }
    if (request.total_bytes != 0 && record.total_bytes != 0 && request.total_bytes != record.total_bytes) {
      return InvalidField("open.total_bytes", absl::StrCat("the upload was opened with ", record.total_bytes));
    }
    if (!request.sha256.empty() && !record.sha256.empty() && request.sha256 != record.sha256) {
      return InvalidField("open.sha256", absl::StrCat("the upload was opened with ", record.sha256));
    }
    if (record.total_bytes == 0 && request.total_bytes != 0 && !record.complete) {
      if (request.total_bytes < record.size_bytes) {
        return InvalidField("open.total_bytes", absl::StrCat("the upload has ", record.size_bytes, " bytes already"));
      }
      record.total_bytes = request.total_bytes;
    }
    if (record.sha256.empty() && !record.complete) record.sha256 = request.sha256;
    upload->has_writer = true;
    core_->Touch(*upload);
    return upload;
  }

  absl::StatusOr<std::unique_ptr<Writer>> MakeWriter(const std::shared_ptr<Upload>& upload) {
    UploadFiles::Record record;
    {
      MutexLock lock(core_->mutex);
      record = upload->record;
    }
    ASSIGN_OR_RETURN(UniqueFd fd, core_->files->OpenData(record.upload_id));
    RETURN_IF_ERROR(core_->files->Save(record));
    return std::make_unique<FileWriter>(core_, upload, std::move(fd));
  }

  void Sweep() {
    MutexLock lock(core_->mutex);
    while (!core_->stopping) {
      core_->RemoveExpired();
      core_->stop_changed.WaitUntil(core_->mutex,
                                    Clock::now() + absl::ToChronoNanoseconds(core_->options.sweep_interval));
    }
  }

  const std::shared_ptr<Core> core_;
  std::thread sweeper_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<UploadStore>> UploadStore::Create(Options options) {
  if (options.quota_bytes <= 0) return InvalidField("uploads.quota_bytes", "must be positive");
  if (options.max_upload_bytes <= 0) return InvalidField("limits.max_source_bytes", "must be positive");
  if (options.expiry <= absl::ZeroDuration()) return InvalidField("uploads.expiry_seconds", "must be positive");
  auto core = std::make_shared<Core>();
  ASSIGN_OR_RETURN(core->files, UploadFiles::Create(options.directory));
  core->options = std::move(options);
  {
    MutexLock lock(core->mutex);
    for (UploadFiles::Record& record : core->files->Load()) {
      auto upload = std::make_shared<Upload>();
      upload->record = std::move(record);
      upload->expires_at = core->options.now() + absl::ToChronoNanoseconds(core->options.expiry - upload->record.age);
      core->used_bytes += upload->charge_bytes();
      core->uploads.emplace(upload->record.upload_id, upload);
    }
    core->RemoveExpired();
  }
  return std::make_unique<DiskUploadStore>(std::move(core));
}

}  // namespace reelsight::orchestrator
