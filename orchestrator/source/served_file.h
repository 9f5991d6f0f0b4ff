// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "orchestrator/source/http_errors.h"
#include "orchestrator/source/http_transfer.h"

namespace reelsight::orchestrator {

// A file as the heads of a server's responses tell of it: its size, its version, whether there are ranges of it. The
// first successful response decides; later ones must be of the same file. Used under the lock of its owner.
class ServedFile {
 public:
  // Borrows `errors`. `max_bytes`: largest file.
  ServedFile(const HttpErrors& errors, int64_t max_bytes) : errors_(errors), max_bytes_(max_bytes) {}

  // Takes the head of a successful response to a request for what begins at `position`. Returns where its body begins:
  // there, or, where `from_start` says that this will do, at 0. UNAVAILABLE for another file or another part of it;
  // for the first response also FAILED_PRECONDITION (SOURCE_TOO_LARGE) and INVALID_ARGUMENT.
  absl::StatusOr<int64_t> Accept(const HttpResponseHead& head, int64_t position, bool from_start);
  // INVALID_ARGUMENT, SOURCE_IS_WEB_PAGE, if `bytes`, the file's first, are a web page's.
  absl::Status CheckStart(std::string_view bytes) const;

  // A response was accepted. What follows is known from then on.
  bool known() const { return known_; }
  // Parts of it can be asked for.
  bool has_ranges() const { return has_ranges_; }
  // -1: not told.
  int64_t size_bytes() const { return size_bytes_; }
  // Told by the end of the file.
  void set_size_bytes(int64_t bytes) { size_bytes_ = bytes; }
  // Names the version for If-Match and If-Range; empty: none that serves.
  const std::string& strong_etag() const;

 private:
  bool IsSame(const HttpResponseHead& head, int64_t total) const;

  const HttpErrors& errors_;
  const int64_t max_bytes_;
  bool known_ = false;
  bool has_ranges_ = false;
  std::string etag_;
  std::string last_modified_;
  int64_t size_bytes_ = -1;
  // The server calls it a web page. Some say so of every file, so that its bytes decide.
  bool html_ = false;
};

}  // namespace reelsight::orchestrator
