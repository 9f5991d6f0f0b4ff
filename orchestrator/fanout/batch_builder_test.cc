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

TEST(BatchBuilderTest, ABatchNamesItsRunAndVideoAndTheOptionsOfEach) {
  analyzer::v1::VideoFacts video;
  video.set_width_px(320);
  google::protobuf::Any options;
  options.set_type_url("mine");
  BatchBuilder builder("r", video, {{"a", {}, 8}, {"b", options, 8}});
  builder.AddTarget(0, MakeFrame(3), {});
  builder.AddTarget(1, MakeFrame(3), {});
  const auto batch = builder.TakeBatch();
  EXPECT_EQ(batch->request_id, "r");
  EXPECT_EQ(batch->video.width_px(), 320);
  EXPECT_EQ(batch->work[0].analyzer, "a");
  EXPECT_EQ(batch->work[0].options.type_url(), "");
  EXPECT_EQ(batch->work[1].analyzer, "b");
  EXPECT_EQ(batch->work[1].options.type_url(), "mine");
  ASSERT_EQ(batch->frames.size(), 1u);
  EXPECT_EQ(batch->frames[0].index, 3);
  EXPECT_EQ(batch->frames[0].offset, absl::Milliseconds(120));
}

TEST(BatchBuilderTest, EachBatchIsCountedAnew) {
  BatchBuilder builder("r", {}, {{"a", {}, 1000}, {"b", {}, 2}});
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.TakeBatch(), nullptr);
  int index = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 7; ++i) builder.AddTarget(0, MakeFrame(index++, 1024), {});
    EXPECT_FALSE(builder.empty());
    EXPECT_FALSE(builder.full()) << round;
    builder.AddTarget(0, MakeFrame(index++, 1024), {});
    EXPECT_TRUE(builder.full()) << round;
    EXPECT_EQ(builder.TakeBatch()->work[0].target_indexes.size(), 8u);
  }
  builder.AddTarget(1, MakeFrame(index, 1024), {});
  EXPECT_FALSE(builder.full());
}

TEST(BatchBuilderTest, RoomIsKeptForATargetWithItsContext) {
  BatchBuilder builder("r", {}, {{"a", {}, 1000}});
  builder.AddTarget(0, MakeFrame(2, 1024), {MakeFrame(0, 1024), MakeFrame(1, 1024)});
  EXPECT_FALSE(builder.full());
  builder.AddTarget(0, MakeFrame(5, 1024), {MakeFrame(3, 1024), MakeFrame(4, 1024)});
  // Six of eight; the next may need three.
  EXPECT_TRUE(builder.full());
  // A frame that is there already takes nothing.
  BatchBuilder overlapping("r", {}, {{"a", {}, 1000}});
  for (int i = 1; i < 7; ++i) overlapping.AddTarget(0, MakeFrame(i, 1024), {MakeFrame(i - 1, 1024)});
  EXPECT_TRUE(overlapping.full());
  EXPECT_EQ(overlapping.TakeBatch()->frames.size(), 7u);
  for (int i = 1; i < 6; ++i) overlapping.AddTarget(0, MakeFrame(i, 1024), {MakeFrame(i - 1, 1024)});
  EXPECT_FALSE(overlapping.full());
}

}  // namespace
}  // namespace reelsight::orchestrator
