// SPDX-License-Identifier: Apache-2.0
#include "shared/batching/batch_limit.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace reelsight::batching {
namespace {

using std::chrono::milliseconds;

TEST(BatchLimitTest, ClampsItsOptions) {
  EXPECT_EQ(BatchLimit({.start_items = 0, .max_items = 0}).items(), 1);
  EXPECT_EQ(BatchLimit({.start_items = 9, .max_items = 4}).items(), 4);
  EXPECT_EQ(BatchLimit({.start_items = 3, .max_items = 4}).items(), 3);
}

TEST(BatchLimitTest, OutOfMemoryHalvesDownToOneAndIsRemembered) {
  BatchLimit limit({.start_items = 12, .max_items = 12});
  for (const int expected : {6, 3, 1, 1}) {
    limit.RanOutOfMemory(limit.items());
    EXPECT_EQ(limit.items(), expected);
  }
  limit.Succeeded(1, milliseconds(1));
  EXPECT_EQ(limit.items(), 1);
}

TEST(BatchLimitTest, AShortBatchThatRanOutOfMemoryLowersTheLimitToItsHalf) {
  BatchLimit limit({.start_items = 16, .max_items = 16});
  limit.RanOutOfMemory(6);
  EXPECT_EQ(limit.items(), 3);
}

TEST(BatchLimitTest, TriesOneMoreAfterFullGoodBatchesOnly) {
  BatchLimit limit({.start_items = 4, .max_items = 6, .good_batches_to_probe = 3});
  for (int i = 0; i < 100; ++i) limit.Succeeded(3, milliseconds(1));
  EXPECT_EQ(limit.items(), 4);
  for (int i = 0; i < 2; ++i) limit.Succeeded(4, milliseconds(1));
  EXPECT_EQ(limit.items(), 4);
  limit.Succeeded(4, milliseconds(1));
  EXPECT_EQ(limit.items(), 5);
  for (int i = 0; i < 100; ++i) limit.Succeeded(limit.items(), milliseconds(1));
  EXPECT_EQ(limit.items(), 6);
}

TEST(BatchLimitTest, AFailedTryGoesBackByOneAndWaitsTwiceAsLong) {
  BatchLimit limit({.start_items = 4, .max_items = 8, .good_batches_to_probe = 3});
  int batches = 0;
  const auto until_a_try = [&] {
    for (batches = 0; limit.items() == 4 && batches < 1000; ++batches) limit.Succeeded(4, milliseconds(1));
  };
  for (const int expected : {3, 6, 12}) {
    until_a_try();
    EXPECT_EQ(batches, expected);
    EXPECT_EQ(limit.items(), 5);
    limit.RanOutOfMemory(5);
    EXPECT_EQ(limit.items(), 4);
  }
}

TEST(BatchLimitTest, ATryThatRanWellIsNoTryAnyMore) {
  BatchLimit limit({.start_items = 4, .max_items = 8, .good_batches_to_probe = 1});
  limit.Succeeded(4, milliseconds(1));
  ASSERT_EQ(limit.items(), 5);
  BatchLimit copy = limit;
  limit.Succeeded(5, milliseconds(1));  // The next try: 6.
  limit.RanOutOfMemory(5);              // Known to be good before: memory became scarcer.
  EXPECT_EQ(limit.items(), 2);
  copy.RanOutOfMemory(5);
  EXPECT_EQ(copy.items(), 4);
}

TEST(BatchLimitTest, SettlesBelowTheTargetDuration) {
  BatchLimit limit({.start_items = 64, .max_items = 64, .target_duration = milliseconds(100)});
  // 10 ms an item: ten fill the time, nine leave the tenth of room.
  for (int i = 0; i < 200; ++i) limit.Succeeded(limit.items(), milliseconds(10) * limit.items());
  EXPECT_GE(limit.items(), 8);
  EXPECT_LE(limit.items(), 10);
  // Ten times as fast: it grows to all it may.
  for (int i = 0; i < 2000; ++i) limit.Succeeded(limit.items(), milliseconds(1) * limit.items());
  EXPECT_EQ(limit.items(), 64);
}

TEST(BatchLimitTest, OneSlowRunHalvesAtMost) {
  BatchLimit limit({.start_items = 16, .max_items = 16, .target_duration = milliseconds(100)});
  limit.Succeeded(16, milliseconds(60000));
  EXPECT_EQ(limit.items(), 8);
  limit.Succeeded(1, milliseconds(60000));
  EXPECT_EQ(limit.items(), 1);
}

TEST(BatchLimitTest, MemoryBoundsWhatTimeWouldAllow) {
  BatchLimit limit({.start_items = 16, .max_items = 16, .target_duration = milliseconds(100)});
  limit.RanOutOfMemory(16);
  for (int i = 0; i < 50; ++i) limit.Succeeded(limit.items(), milliseconds(1));
  EXPECT_EQ(limit.items(), 8);
}

}  // namespace
}  // namespace reelsight::batching
