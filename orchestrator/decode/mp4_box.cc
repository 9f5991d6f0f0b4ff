// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/mp4_box.h"

#include <algorithm>

#include "shared/base/status.h"

namespace reelsight::orchestrator {

absl::StatusOr<std::optional<Mp4Box>> ReadMp4Box(ByteSource& source, int64_t offset, const CancelToken& cancel) {
  std::array<uint8_t, 16> head;
  ASSIGN_OR_RETURN(const size_t read, ReadFully(source, offset, head, cancel));
  if (read < 8) return std::nullopt;
  Mp4Box box{.type = {}, .offset = offset};
  std::copy_n(head.begin() + 4, 4, box.type.begin());
  uint64_t size = BigEndian(std::span(head).first(4));
  if (size == 1 && read == 16) {
    size = BigEndian(std::span(head).subspan(8));
    box.head_bytes = 16;
  }
  if ((size != 0 && size < 8) || size > static_cast<uint64_t>(INT64_MAX - offset)) return std::nullopt;
  box.size_bytes = static_cast<int64_t>(size);
  return box;
}

absl::StatusOr<size_t> ReadFully(ByteSource& source, int64_t offset, std::span<uint8_t> into,
                                 const CancelToken& cancel) {
  size_t filled = 0;
  while (filled < into.size()) {
    ASSIGN_OR_RETURN(const size_t read,
                     source.ReadAt(offset + static_cast<int64_t>(filled), into.subspan(filled), cancel));
    if (read == 0) break;
    filled += read;
  }
  return filled;
}

uint64_t BigEndian(std::span<const uint8_t> bytes) {
  uint64_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

}  // namespace reelsight::orchestrator
