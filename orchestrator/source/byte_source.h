// SPDX-License-Identifier: Apache-2.0
//
// The bytes of one video, wherever they lie. What FFmpeg reads from: it opens nothing by itself.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "shared/base/cancel_token.h"

namespace reelsight::orchestrator {

// Used by one thread at a time.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Reads up to into.size() bytes at `offset` (>= 0); blocks until at least one is there. 0 means the end. Errors:
  // UNAVAILABLE (SOURCE_UNREACHABLE), DEADLINE_EXCEEDED, the token's status.
  virtual absl::StatusOr<size_t> ReadAt(int64_t offset, std::span<uint8_t> into, const CancelToken& cancel) = 0;
  // Size in bytes, or -1 if unknown.
  virtual int64_t size_bytes() const = 0;
  // Bytes fetched from where the source lies, so far.
  virtual int64_t read_bytes() const = 0;
  // For messages: what the caller called it, without secrets.
  virtual const std::string& name() const = 0;
};

}  // namespace reelsight::orchestrator
