// SPDX-License-Identifier: Apache-2.0
#include "shared/batching/batch_limit.h"

#include <chrono>
#include <utility>

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

TEST(BatchLimitTest, ASmallLimitHasRoomForAThirdAndNoMore) {
  BatchLimit limit({.start_items = 2, .max_items = 3, .good_batches_to_probe = 1});
  limit.RanOutOfMemory(2);
  EXPECT_EQ(limit.items(), 1);
  for (const int expected : {2, 3, 3}) {
    limit.Succeeded(limit.items(), milliseconds(1));
    EXPECT_EQ(limit.items(), expected);
  }
}

TEST(BatchLimitTest, RunningOutOfMemoryBeginsTheCountOfGoodBatchesAnew) {
  BatchLimit limit({.start_items = 4, .max_items = 4, .good_batches_to_probe = 3});
  limit.RanOutOfMemory(4);
  for (int i = 0; i < 2; ++i) limit.Succeeded(2, milliseconds(1));
  limit.RanOutOfMemory(2);
  for (int i = 0; i < 2; ++i) limit.Succeeded(1, milliseconds(1));
  EXPECT_EQ(limit.items(), 1);
  limit.Succeeded(1, milliseconds(1));
  EXPECT_EQ(limit.items(), 2);
}

TEST(BatchLimitTest, EachFurtherItemIsTriedAfterAsManyBatches) {
  BatchLimit limit({.start_items = 1, .max_items = 4, .good_batches_to_probe = 3});
  for (const int expected : {1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4}) {
    limit.Succeeded(limit.items(), milliseconds(1));
    EXPECT_EQ(limit.items(), expected);
  }
}

TEST(BatchLimitTest, ATryThatFailsAtAnotherSizeHalves) {
  BatchLimit limit({.start_items = 8, .max_items = 16, .good_batches_to_probe = 1});
  limit.Succeeded(8, milliseconds(1));
  ASSERT_EQ(limit.items(), 9);
  limit.RanOutOfMemory(6);
  EXPECT_EQ(limit.items(), 3);
}

// Full batches until the limit is no longer `items`.
int BatchesUntilATry(BatchLimit& limit, int items) {
  int batches = 0;
  for (; limit.items() == items && batches < 1'000'000; ++batches) limit.Succeeded(items, milliseconds(1));
  return batches;
}

TEST(BatchLimitTest, TheWaitForATryHasABound) {
  BatchLimit limit({.start_items = 1, .max_items = 4, .good_batches_to_probe = 20'000});
  for (const int expected : {20'000, 40'000, 65'536, 65'536}) {
    EXPECT_EQ(BatchesUntilATry(limit, 1), expected);
    limit.RanOutOfMemory(2);
    EXPECT_EQ(limit.items(), 1);
  }
  BatchLimit usual({.start_items = 1});
  EXPECT_EQ(BatchesUntilATry(usual, 1), 64);
  BatchLimit eager({.start_items = 1, .good_batches_to_probe = 0});
  EXPECT_EQ(BatchesUntilATry(eager, 1), 1);
}

TEST(BatchLimitTest, WithoutATargetNoBatchIsTooSlow) {
  BatchLimit limit({.start_items = 8, .max_items = 8});
  limit.Succeeded(8, std::chrono::hours(10));
  EXPECT_EQ(limit.items(), 8);
  BatchLimit growing({.start_items = 4, .max_items = 8, .good_batches_to_probe = 1});
  growing.Succeeded(4, std::chrono::hours(10));
  EXPECT_EQ(growing.items(), 5);
}

// Begins at all it may, so that only time lowers it.
BatchLimit TimedLimit(int max_items) {
  return BatchLimit({.start_items = max_items, .max_items = max_items, .target_duration = milliseconds(100)});
}

TEST(BatchLimitTest, ASlowBatchLowersInProportion) {
  for (const auto& [took_ms, expected] : {std::pair{100, 16}, {101, 15}, {125, 12}, {199, 8}, {201, 8}, {1600, 8}}) {
    BatchLimit limit = TimedLimit(16);
    limit.Succeeded(16, milliseconds(took_ms));
    EXPECT_EQ(limit.items(), expected) << took_ms;
  }
  // A short one, too; never to more than there was.
  BatchLimit limit = TimedLimit(16);
  limit.Succeeded(8, milliseconds(160));
  EXPECT_EQ(limit.items(), 5);
  limit.Succeeded(8, milliseconds(101));
  EXPECT_EQ(limit.items(), 5);
  limit.Succeeded(0, milliseconds(60000));
  EXPECT_EQ(limit.items(), 5);
}

// Full batches until the limit is no longer `items`, a thousand at most.
int QuickBatchesUntilRaised(BatchLimit& limit, int items, milliseconds took) {
  int batches = 0;
  for (; limit.items() == items && batches < 1000; ++batches) limit.Succeeded(items, took);
  return batches;
}

TEST(BatchLimitTest, FourQuickFullBatchesInARowRaiseByAnEighth) {
  BatchLimit limit = TimedLimit(32);
  limit.Succeeded(32, milliseconds(200));
  ASSERT_EQ(limit.items(), 16);
  for (const int expected : {18, 20, 22, 24, 27, 30, 32}) {
    EXPECT_EQ(QuickBatchesUntilRaised(limit, limit.items(), milliseconds(1)), 4);
    EXPECT_EQ(limit.items(), expected);
  }
  EXPECT_EQ(QuickBatchesUntilRaised(limit, 32, milliseconds(1)), 1000);
}

TEST(BatchLimitTest, NothingIsRaisedWhereTheNextStepWouldFillTheTarget) {
  BatchLimit limit = TimedLimit(16);
  limit.Succeeded(16, milliseconds(200));
  ASSERT_EQ(limit.items(), 8);
  // Nine would take 91 of 100 ms.
  EXPECT_EQ(QuickBatchesUntilRaised(limit, 8, milliseconds(81)), 1000);
  EXPECT_EQ(QuickBatchesUntilRaised(limit, 8, milliseconds(80)), 4);
  EXPECT_EQ(limit.items(), 9);
}

TEST(BatchLimitTest, ASlowOrAShortBatchIsNoneOfTheFour) {
  BatchLimit limit = TimedLimit(16);
  limit.Succeeded(16, milliseconds(200));
  ASSERT_EQ(limit.items(), 8);
  for (int i = 0; i < 3; ++i) limit.Succeeded(8, milliseconds(1));
  limit.Succeeded(7, milliseconds(1));  // Says nothing.
  EXPECT_EQ(limit.items(), 8);
  limit.Succeeded(8, milliseconds(99));  // No room: from the beginning.
  EXPECT_EQ(QuickBatchesUntilRaised(limit, 8, milliseconds(1)), 4);
  for (int i = 0; i < 3; ++i) limit.Succeeded(9, milliseconds(1));
  limit.Succeeded(1, milliseconds(101));  // Too slow: lowered, and from the beginning.
  EXPECT_EQ(limit.items(), 1);
  EXPECT_EQ(QuickBatchesUntilRaised(limit, 1, milliseconds(1)), 4);
}

}  // namespace
}  // namespace reelsight::batching
