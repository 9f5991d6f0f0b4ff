// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/source_sniffer.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/source/source_uri.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {

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

absl::Status CheckHead(ByteSource& source, const CancelToken& cancel) {
  std::array<uint8_t, 1024> head;
  ASSIGN_OR_RETURN(const size_t size, ReadFully(source, 0, head, cancel));
  if (size == 0) {
    return InvalidArgument(Reason::kSourceEmpty, absl::StrCat(source.name(), " is empty; send a media file"));
  }
  if (LooksLikeWebPage({reinterpret_cast<const char*>(head.data()), size})) {
    return InvalidArgument(Reason::kSourceIsWebPage,
                           absl::StrCat(source.name(),
                                        " is a web page, not a video; give the address of the media "
                                        "file itself"));
  }
  return absl::OkStatus();
}

bool EndsBeforeIndex(ByteSource& source, const CancelToken& cancel) {
  int64_t offset = 0;
  bool media_seen = false;
  // A real file has a handful of boxes on its top level.
  for (int box = 0; box < 256; ++box) {
    std::array<uint8_t, 16> header;
    const absl::StatusOr<size_t> read = ReadFully(source, offset, header, cancel);
    if (!read.ok()) return false;
    if (*read < 8) return media_seen;
    const std::span<const uint8_t> bytes(header);
    const std::string_view type(reinterpret_cast<const char*>(header.data()) + 4, 4);
    if (box == 0 && type != "ftyp" && type != "mdat" && type != "wide" && type != "free" && type != "skip")
      return false;
    if (type == "moov") {
      // The index itself is cut off.
      const uint64_t size = BigEndian(bytes.first(4));
      return source.size_bytes() >= 0 && size > static_cast<uint64_t>(source.size_bytes() - offset);
    }
    if (type == "ftyp" || type == "mdat") media_seen = true;
    uint64_t size = BigEndian(bytes.first(4));
    if (size == 1 && *read == 16) size = BigEndian(bytes.subspan(8));
    if (size == 0) return media_seen;
    if (size < 8 || size > static_cast<uint64_t>(INT64_MAX - offset)) return false;
    offset += static_cast<int64_t>(size);
  }
  return false;
}

}  // namespace reelsight::orchestrator
