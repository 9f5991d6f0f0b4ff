// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "orchestrator/source/block_cache.h"
#include "shared/base/unique_fd.h"

namespace reelsight::orchestrator {

// What was fetched of a file: blocks of it in memory, or, for a file that can only be had as a whole, a temporary file
// that grows from its start. Used under the lock of its owner.
class FetchedBytes {
 public:
  // Blocks of at most `cache_bytes`, until UseSpool.
  explicit FetchedBytes(int64_t cache_bytes) : cache_(cache_bytes) {}

  // From now on bytes go to a temporary file. Errors as MakeSpoolFile.
  absl::Status UseSpool();
  bool spooled() const { return spool_.ok(); }
  // The temporary file's bytes.
  int64_t spool_bytes() const { return spool_bytes_; }
  int64_t cached_bytes() const { return cache_.size_bytes(); }

  // True if the byte at `offset` is there.
  bool Has(int64_t offset) const { return spooled() ? offset < spool_bytes_ : cache_.Has(offset); }
  // Where a fetch must begin so that Write takes it, in order to have `offset`.
  int64_t FetchStart(int64_t offset) const { return spooled() ? spool_bytes_ : cache_.FetchStart(offset); }
  // Takes `bytes`, which lie at `position`, a FetchStart or the end of what was written after it. Returns how many were
  // taken; where it is not all, the rest is there already. RESOURCE_EXHAUSTED if the disk is full.
  absl::StatusOr<size_t> Write(int64_t position, std::string_view bytes);
  // Copies what is there from `offset` on; 0: nothing. INTERNAL if the temporary file cannot be read.
  absl::StatusOr<size_t> Read(int64_t offset, std::span<uint8_t> into);

 private:
  BlockCache cache_;
  UniqueFd spool_;
  int64_t spool_bytes_ = 0;
};

}  // namespace reelsight::orchestrator
