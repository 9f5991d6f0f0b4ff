// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/content_source.h"

#include <algorithm>
#include <cstring>

#include "shared/base/status.h"

namespace reelsight::orchestrator {

absl::StatusOr<size_t> ContentSource::ReadAt(int64_t offset, std::span<uint8_t> into, const CancelToken& cancel) {
  RETURN_IF_ERROR(cancel.status());
  if (offset < 0 || offset >= size_bytes()) return 0;
  const size_t count = std::min(into.size(), bytes_.size() - static_cast<size_t>(offset));
  if (count > 0) std::memcpy(into.data(), bytes_.data() + offset, count);
  read_bytes_ += static_cast<int64_t>(count);
  return count;
}

}  // namespace reelsight::orchestrator
