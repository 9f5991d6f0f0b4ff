// SPDX-License-Identifier: Apache-2.0
//
// Parts of a file that were fetched, in blocks, the longest unused of which make room for new ones.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

namespace reelsight::orchestrator {

// Used under the lock of its owner.
class BlockCache {
 public:
  static constexpr int64_t kBlockBytes = 256 << 10;

  // Keeps at most `capacity_bytes`, but at least two blocks.
  explicit BlockCache(int64_t capacity_bytes);

  // Stores the start of `bytes`, which lie at `offset`: as much as continues its block, up to the block's end. Returns
  // how much that is: 0 if the block lacks bytes before `offset`, or has that place already.
  size_t Write(int64_t offset, std::string_view bytes);
  // Copies what is there from `offset` on, within one block; 0: nothing.
  size_t Read(int64_t offset, std::span<uint8_t> into);
  // Where a fetch must begin so that Write takes it, in order to have `offset`.
  int64_t FetchStart(int64_t offset) const;
  // True if the byte at `offset` is there.
  bool Has(int64_t offset) const;
  int64_t size_bytes() const { return static_cast<int64_t>(blocks_.size()) * kBlockBytes; }

 private:
  struct Block {
    std::vector<uint8_t> bytes;
    int64_t last_use = 0;
  };
  const size_t max_blocks_;
  std::map<int64_t, Block> blocks_;
  int64_t uses_ = 0;
};

}  // namespace reelsight::orchestrator
