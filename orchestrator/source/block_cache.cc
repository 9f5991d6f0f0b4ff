// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/block_cache.h"

#include <algorithm>
#include <cstring>

namespace reelsight::orchestrator {

BlockCache::BlockCache(int64_t capacity_bytes)
    : max_blocks_(static_cast<size_t>(std::max<int64_t>(2, capacity_bytes / kBlockBytes))) {}

size_t BlockCache::Write(int64_t offset, std::string_view bytes) {
  const int64_t index = offset / kBlockBytes;
  const size_t place = static_cast<size_t>(offset % kBlockBytes);
  auto found = blocks_.find(index);
  if (place != (found == blocks_.end() ? 0 : found->second.bytes.size())) return 0;
  if (found == blocks_.end()) {
    if (blocks_.size() >= max_blocks_) {
      blocks_.erase(std::min_element(blocks_.begin(), blocks_.end(), [](const auto& a, const auto& b) {
        return a.second.last_use < b.second.last_use;
      }));
    }
    found = blocks_.emplace(index, Block()).first;
    found->second.bytes.reserve(kBlockBytes);
  }
  Block& block = found->second;
  block.last_use = ++uses_;
  const size_t count = std::min(bytes.size(), static_cast<size_t>(kBlockBytes) - place);
  block.bytes.insert(block.bytes.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count));
  return count;
}

size_t BlockCache::Read(int64_t offset, std::span<uint8_t> into) {
  const auto found = blocks_.find(offset / kBlockBytes);
  const size_t place = static_cast<size_t>(offset % kBlockBytes);
  if (found == blocks_.end() || place >= found->second.bytes.size()) return 0;
  found->second.last_use = ++uses_;
  const size_t count = std::min(into.size(), found->second.bytes.size() - place);
  std::memcpy(into.data(), found->second.bytes.data() + place, count);
  return count;
}

int64_t BlockCache::FetchStart(int64_t offset) const {
  const int64_t index = offset / kBlockBytes;
  const auto found = blocks_.find(index);
  const int64_t filled = found == blocks_.end() ? 0 : static_cast<int64_t>(found->second.bytes.size());
  return index * kBlockBytes + std::min(filled, kBlockBytes - 1);
}

bool BlockCache::Has(int64_t offset) const {
  const auto found = blocks_.find(offset / kBlockBytes);
  return found != blocks_.end() && static_cast<size_t>(offset % kBlockBytes) < found->second.bytes.size();
}

}  // namespace reelsight::orchestrator
