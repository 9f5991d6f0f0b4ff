// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/served_file.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "orchestrator/source/source_uri.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

constexpr char kAnotherPart[] = "the server answered a range request with another part of the file";

// No media file is without a byte that no text holds.
bool IsText(std::string_view bytes) {
  return std::none_of(bytes.begin(), bytes.end(), [](unsigned char c) {
    return c < 0x20 && std::string_view("\t\n\f\r\x1B").find(static_cast<char>(c)) == std::string_view::npos;
  });
}

}  // namespace

absl::StatusOr<int64_t> ServedFile::Accept(const HttpResponseHead& head, int64_t position, bool from_start) {
  const bool ranged = head.status == 206 && head.range_start >= 0;
  const int64_t total = ranged ? head.range_total : head.status == 200 ? head.content_length : -1;
  if (known_) {
    if (!IsSame(head, total)) return errors_.Changed();
    if (ranged && head.range_start == position) return position;
    if (head.status == 200 && from_start) return 0;
    return errors_.Unreachable(kAnotherPart);
  }
  if (head.status == 206 && head.range_start != 0) return errors_.Unreachable(kAnotherPart);
  html_ = absl::StartsWith(head.content_type, "text/html") || absl::StartsWith(head.content_type, "application/xhtml");
  if (!head.content_encoding.empty() && head.content_encoding != "identity") {
    return html_ ? errors_.WebPage() : errors_.Compressed(head.content_encoding);
  }
  if (total > max_bytes_) return errors_.TooLarge(total, "", max_bytes_);
  known_ = true;
  has_ranges_ = ranged && total >= 0;
  etag_ = head.etag;
  last_modified_ = head.last_modified;
  size_bytes_ = total;
  return 0;
}

bool ServedFile::IsSame(const HttpResponseHead& head, int64_t total) const {
  return (etag_.empty() || head.etag.empty() || etag_ == head.etag) &&
         (last_modified_.empty() || head.last_modified.empty() || last_modified_ == head.last_modified) &&
         (size_bytes_ < 0 || total < 0 || size_bytes_ == total);
}

absl::Status ServedFile::CheckStart(std::string_view bytes) const {
  return LooksLikeWebPage(bytes) || (html_ && IsText(bytes)) ? errors_.WebPage() : absl::OkStatus();
}

const std::string& ServedFile::strong_etag() const {
  static const auto& none = *new std::string();
  return absl::StartsWith(etag_, "W/") ? none : etag_;
}

}  // namespace reelsight::orchestrator
