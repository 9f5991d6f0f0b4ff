// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/source_sniffer.h"

#include <array>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "orchestrator/decode/mp4_box.h"
#include "orchestrator/source/source_uri.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {

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
  for (int i = 0; i < kMaxTopBoxes; ++i) {
    const auto box = ReadMp4Box(source, offset, cancel);
    if (!box.ok()) return false;
    // The end of the source, or no box; only a file of boxes has been seen until here.
    if (!box->has_value()) return media_seen;
    const Mp4Box& found = **box;
    if (i == 0 && !found.Is("ftyp") && !found.Is("mdat") && !found.Is("wide") && !found.Is("free") &&
        !found.Is("skip")) {
      return false;
    }
    // The index itself is cut off.
    if (found.Is("moov")) return source.size_bytes() >= 0 && found.end() > source.size_bytes();
    if (found.Is("ftyp") || found.Is("mdat")) media_seen = true;
    if (found.size_bytes == 0) return media_seen;
    offset = found.end();
  }
  return false;
}

}  // namespace reelsight::orchestrator
