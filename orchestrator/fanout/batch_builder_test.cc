// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/batch_builder.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

analysis::Frame MakeFrame(int64_t index, int side_px = 4) {
  return {index, absl::Milliseconds(40 * index),
          std::make_shared<analysis::Image>(analysis::PixelFormat::kGray8, analysis::ImageSize{side_px, side_px})};
}

TEST(BatchBuilderTest, SharesFramesBetweenMembersAndSendsContextOnce) {
  BatchBuilder builder("r", {}, {{"a", {}, 8}, {"b", {}, 8}, {"idle", {}, 8}});
  const analysis::Frame f0 = MakeFrame(0), f1 = MakeFrame(1), f2 = MakeFrame(2);
  builder.AddTarget(0, f1, {f0});
  builder.AddTarget(0, f2, {f1});
  builder.AddTarget(1, f2, {f0, f1});
  const auto batch = builder.TakeBatch();
  ASSERT_EQ(batch->frames.size(), 3u);
  ASSERT_EQ(batch->work.size(), 2u);
  EXPECT_THAT(batch->work[0].target_indexes, ElementsAre(1, 2));
  EXPECT_THAT(batch->work[0].context_indexes, ElementsAre(0));
  EXPECT_THAT(batch->work[1].target_indexes, ElementsAre(2));
  EXPECT_THAT(batch->work[1].context_indexes, ElementsAre(0, 1));
  EXPECT_EQ(builder.TakeBatch(), nullptr);
}

TEST(BatchBuilderTest, IsFullByCountOfAnyMember) {
  BatchBuilder builder("r", {}, {{"a", {}, 3}, {"b", {}, 2}});
  builder.AddTarget(0, MakeFrame(0), {});
  builder.AddTarget(1, MakeFrame(0), {});
  EXPECT_FALSE(builder.full());
  builder.AddTarget(1, MakeFrame(1), {});
  EXPECT_TRUE(builder.full());
  builder.TakeBatch();
  EXPECT_FALSE(builder.full());
  EXPECT_THAT(builder.empty(), true);
}

TEST(BatchBuilderTest, IsFullBeforeTheByteLimitIsPassed) {
  BatchBuilder builder("r", {}, {{"a", {}, 1000}});
  for (int i = 0; i < 7; ++i) builder.AddTarget(0, MakeFrame(i, 1024), {});  // 1 MiB each.
  EXPECT_FALSE(builder.full());
  builder.AddTarget(0, MakeFrame(7, 1024), {});
  EXPECT_TRUE(builder.full());
}

TEST(BatchBuilderTest, AnOversizedTargetGoesAlone) {
  BatchBuilder builder("r", {}, {{"a", {}, 1000}});
  builder.AddTarget(0, MakeFrame(0, 4096), {});
  EXPECT_TRUE(builder.full());
  EXPECT_THAT(builder.TakeBatch()->frames, ::testing::SizeIs(1));
}

}  // namespace
}  // namespace reelsight::orchestrator
