// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/block_cache.h"

#include <string>

#include "gtest/gtest.h"

namespace reelsight::orchestrator {
namespace {

constexpr int64_t kBlock = BlockCache::kBlockBytes;

TEST(BlockCacheTest, BlocksFillFromTheirStart) {
  BlockCache cache(4 * kBlock);
  EXPECT_EQ(cache.FetchStart(kBlock + 50), kBlock);
  EXPECT_EQ(cache.Write(kBlock + 50, "abc"), 0u);
  EXPECT_EQ(cache.Write(kBlock, "abc"), 3u);
  EXPECT_EQ(cache.Write(kBlock, "abc"), 0u);
  EXPECT_EQ(cache.FetchStart(kBlock + 50), kBlock + 3);
  EXPECT_EQ(cache.Write(kBlock + 3, "de"), 2u);
  EXPECT_TRUE(cache.Has(kBlock + 4));
  EXPECT_FALSE(cache.Has(kBlock + 5));
  EXPECT_FALSE(cache.Has(0));
  uint8_t bytes[10];
  EXPECT_EQ(cache.Read(kBlock + 1, bytes), 4u);
  EXPECT_EQ(std::string(bytes, bytes + 4), "bcde");
  EXPECT_EQ(cache.Read(kBlock + 5, bytes), 0u);
}

TEST(BlockCacheTest, WriteEndsWithTheBlock) {
  BlockCache cache(4 * kBlock);
  const std::string two(2 * kBlock, 'x');
  EXPECT_EQ(cache.Write(0, two), static_cast<size_t>(kBlock));
  EXPECT_EQ(cache.Write(kBlock, std::string_view(two).substr(kBlock)), static_cast<size_t>(kBlock));
  EXPECT_EQ(cache.size_bytes(), 2 * kBlock);
}

TEST(BlockCacheTest, LongestUnusedBlockMakesRoom) {
  BlockCache cache(2 * kBlock);
  cache.Write(0, "a");
  cache.Write(kBlock, "b");
  uint8_t byte[1];
  cache.Read(0, byte);
  cache.Write(2 * kBlock, "c");
  EXPECT_TRUE(cache.Has(0));
  EXPECT_FALSE(cache.Has(kBlock));
  EXPECT_TRUE(cache.Has(2 * kBlock));
  EXPECT_EQ(cache.size_bytes(), 2 * kBlock);
}

}  // namespace
}  // namespace reelsight::orchestrator
