// SPDX-License-Identifier: Apache-2.0
#include "shared/batching/start_batch.h"

#include "gtest/gtest.h"

namespace reelsight::batching {
namespace {

constexpr int64_t kMegabyte = int64_t{1} << 20;

TEST(StartBatchTest, IsScaledByFreeMemory) {
  struct Case {
    int items;
    int quarter, half, whole;
  };
  for (const Case& c : {Case{1, 1, 1, 1}, Case{3, 1, 1, 3}, Case{8, 2, 4, 8}, Case{16, 4, 8, 16}, Case{32, 8, 16, 32},
                        Case{64, 16, 32, 64}}) {
    SCOPED_TRACE(c.items);
    EXPECT_EQ(StartBatch(c.items, 0), c.quarter);
    EXPECT_EQ(StartBatch(c.items, 8000 * kMegabyte - 1), c.quarter);
    EXPECT_EQ(StartBatch(c.items, 8000 * kMegabyte), c.half);
    EXPECT_EQ(StartBatch(c.items, 16000 * kMegabyte - 1), c.half);
    EXPECT_EQ(StartBatch(c.items, 16000 * kMegabyte), c.whole);
    EXPECT_EQ(StartBatch(c.items, 80000 * kMegabyte), c.whole);
  }
}

TEST(StartBatchTest, MemoryThatIsOverdrawnStillRunsOneItem) { EXPECT_EQ(StartBatch(2, -1), 1); }

}  // namespace
}  // namespace reelsight::batching
