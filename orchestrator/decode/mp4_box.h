// SPDX-License-Identifier: Apache-2.0
//
// Heads of the boxes that MP4 and QuickTime files are made of (ISO/IEC 14496-12, 4.2). Not a demuxer.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "orchestrator/source/byte_source.h"
#include "shared/base/cancel_token.h"

namespace reelsight::orchestrator {

struct Mp4Box {
  std::array<char, 4> type;
  int64_t offset = 0;
  // 8 or 16.
  int64_t head_bytes = 8;
  // With the head, as the box claims, and small enough that `offset` + this does not overflow; 0: to the end of the
  // file.
  int64_t size_bytes = 0;

  bool Is(std::string_view name) const { return std::string_view(type.data(), type.size()) == name; }
  int64_t body() const { return offset + head_bytes; }
  // REQUIRES: size_bytes > 0.
  int64_t end() const { return offset + size_bytes; }
};

// More boxes than any real file has on its top level.
inline constexpr int kMaxTopBoxes = 256;

// The box at `offset`; nullopt where the source ends, or for a size that no box can have. Or the source's errors.
absl::StatusOr<std::optional<Mp4Box>> ReadMp4Box(ByteSource& source, int64_t offset, const CancelToken& cancel);

// Reads until `into` is full or the source ends; returns how much it read.
absl::StatusOr<size_t> ReadFully(ByteSource& source, int64_t offset, std::span<uint8_t> into,
                                 const CancelToken& cancel);
// A big-endian number of up to eight bytes.
uint64_t BigEndian(std::span<const uint8_t> bytes);

}  // namespace reelsight::orchestrator
