// SPDX-License-Identifier: Apache-2.0
//
// Files that callers upload piece by piece, to be analysed by id afterwards. Knows the rules of UploadVideo (resume by
// offset, hash, quota, expiry), but nothing of gRPC.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/source/byte_source.h"
#include "orchestrator/source/rate_floor.h"

namespace reelsight::orchestrator {

// Thread-safe. Its writers and sources may outlive it, but what they hold is gone with the folder.
class UploadStore {
 public:
  struct Options {
    // Folder for the files; made if it is not there. Empty: a fresh one below the system's folder for temporary files,
    // removed with all uploads by the destructor. In a folder that is named, uploads outlive the process: the next
    // store finds them again, finished or not. One store at a time may use a folder.
    std::string directory;
    // Most bytes of all uploads, > 0. An upload counts with the bytes that came, not with those it announced, and with
    // 64 KiB at least. Who comes first has the room: of several that do not fit together, each goes on until it is used
    // up.
    int64_t quota_bytes = int64_t{8} << 30;
    // Most bytes of one upload, > 0.
    int64_t max_upload_bytes = int64_t{2} << 30;
    // Life of an upload after its last write or use, > 0. Raising it fills the quota with files nobody wants.
    absl::Duration expiry = absl::Hours(1);
    // How often expired uploads are looked for in the background; zero: only when RemoveExpired is called or room is
    // needed.
    absl::Duration sweep_interval = absl::Minutes(1);
    // How fast the bytes of one call must come. Kept by who reads the call; the store only tells it.
    RateFloor::Options sender;
    // Replaced by tests.
    std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
  };

  // Where an upload stands.
  struct State {
    std::string upload_id;
    // Bytes that are held.
    int64_t committed_bytes = 0;
    // The file is whole and its hash is right.
    bool complete = false;
    // When it is deleted unless it is written or used before, from the moment of the question.
    absl::Duration expires_in;
  };

  // What UploadVideo's first message says.
  struct OpenRequest {
    // Empty: a new upload.
    std::string upload_id;
    // Size of the whole file; 0: unknown.
    int64_t total_bytes = 0;
    // SHA-256 of the whole file, 64 hexadecimal digits; empty: not checked.
    std::string sha256;
    // Where the data begins: the committed size.
    int64_t offset = 0;
  };

  // The one writer of an upload; destroying it leaves the upload to be resumed. Used by one thread at a time.
  class Writer {
   public:
    virtual ~Writer() = default;
    // Appends to the file; blocks for the disk. After an error nothing of `data` is kept and the upload may be resumed.
    // Errors: INVALID_ARGUMENT (more than announced), RESOURCE_EXHAUSTED (UPLOAD_QUOTA), FAILED_PRECONDITION
    // (SOURCE_TOO_LARGE).
    virtual absl::Status Append(std::string_view data) = 0;
    // Hashes up to `max_bytes` of what is there and not hashed yet: of an upload that an earlier process began, if its
    // hash is to be checked. True when nothing is left. Reads from the disk; Finish does what is left, at once.
    virtual absl::StatusOr<bool> HashMore(int64_t max_bytes) = 0;
    // Checks size and hash and finishes the upload. Finishing again changes nothing. Errors: INVALID_ARGUMENT
    // (UPLOAD_INCOMPLETE with metadata `committed_bytes`: resume it; UPLOAD_HASH_MISMATCH: the upload is deleted;
    // SOURCE_EMPTY).
    virtual absl::StatusOr<State> Finish() = 0;
    virtual State state() const = 0;
  };

  // Errors: INVALID_ARGUMENT (options), FAILED_PRECONDITION (the folder cannot be used, or another store uses it).
  static absl::StatusOr<std::unique_ptr<UploadStore>> Create(Options options);
  virtual ~UploadStore() = default;

  // Opens a new upload or resumes one. Errors: NOT_FOUND, INVALID_ARGUMENT (UPLOAD_OFFSET_MISMATCH with metadata
  // `committed_bytes`; a size or hash that is malformed or differs from the one given before), ABORTED
  // (UPLOAD_BUSY: it has a writer), RESOURCE_EXHAUSTED (UPLOAD_QUOTA: no room, or a size that not even an empty store
  // has room for), FAILED_PRECONDITION (SOURCE_TOO_LARGE).
  virtual absl::StatusOr<std::unique_ptr<Writer>> Open(const OpenRequest& request) = 0;
  // NOT_FOUND if there is no such upload, or it has expired.
  virtual absl::StatusOr<State> Query(const std::string& upload_id) = 0;
  // The bytes of a finished upload, which does not expire while the source lives. Errors: NOT_FOUND,
  // FAILED_PRECONDITION (UPLOAD_INCOMPLETE).
  virtual absl::StatusOr<std::unique_ptr<ByteSource>> OpenSource(const std::string& upload_id) = 0;
  // Deletes uploads that have expired and are neither written nor read; returns how many.
  virtual int RemoveExpired() = 0;

  const RateFloor::Options& sender() const { return sender_; }
  // Bytes that count against the quota, and uploads held.
  virtual int64_t used_bytes() const = 0;
  virtual int64_t count() const = 0;
  // Where the files are; empty before the first upload if no folder was named.
  virtual std::string directory() const = 0;

 protected:
  explicit UploadStore(const RateFloor::Options& sender) : sender_(sender) {}

 private:
  const RateFloor::Options sender_;
};

}  // namespace reelsight::orchestrator
