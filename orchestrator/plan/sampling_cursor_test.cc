// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/plan/sampling_cursor.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::ElementsAre;

analyzer::v1::Sampling Reference(int minimum, int divisor) {
  analyzer::v1::Sampling sampling;
  sampling.set_reference_min_interval(minimum);
  sampling.set_reference_divisor(divisor);
  return sampling;
}

TEST(ReferenceRuleTest, MatchesTheReferenceSystemValueByValue) {
  struct Row {
    double frame_rate;
    int64_t camera_cut, object_eye, text_scene, rest;
  };
  // max(5, fps // 6), max(10, fps // 3), max(30, fps), max(15, fps // 2).
  for (const Row& row : std::vector<Row>{{24, 5, 10, 30, 15},
                                         {25, 5, 10, 30, 15},
                                         {29.97, 5, 10, 30, 15},
                                         {30, 5, 10, 30, 15},
                                         {35.6, 6, 12, 36, 18},
                                         {50, 8, 16, 50, 25},
                                         {59.94, 10, 20, 60, 30},
                                         {60, 10, 20, 60, 30},
                                         {120, 20, 40, 120, 60},
                                         {0.4, 5, 10, 30, 15}}) {
    EXPECT_EQ(ReferenceRule(Reference(5, 6), row.frame_rate).interval_frames, row.camera_cut) << row.frame_rate;
    EXPECT_EQ(ReferenceRule(Reference(10, 3), row.frame_rate).interval_frames, row.object_eye) << row.frame_rate;
    EXPECT_EQ(ReferenceRule(Reference(30, 1), row.frame_rate).interval_frames, row.text_scene) << row.frame_rate;
    EXPECT_EQ(ReferenceRule(Reference(15, 2), row.frame_rate).interval_frames, row.rest) << row.frame_rate;
  }
}

std::vector<int64_t> Taken(SamplingCursor cursor, const std::vector<double>& seconds) {
  std::vector<int64_t> taken;
  for (size_t i = 0; i < seconds.size(); ++i) {
    if (cursor.Take(static_cast<int64_t>(i), absl::Seconds(seconds[i]))) taken.push_back(i);
  }
  return taken;
}

TEST(SamplingCursorTest, SamplesByTimeWithVariableFrameRate) {
  const std::vector<double> seconds = {0, 0.1, 0.2, 0.9, 1.2, 1.3, 4.0, 4.1, 4.6};
  EXPECT_THAT(Taken(SamplingCursor({.sample_fps = 1}, absl::ZeroDuration()), seconds), ElementsAre(0, 4, 6));
  EXPECT_THAT(Taken(SamplingCursor({.sample_fps = 2}, absl::ZeroDuration()), seconds), ElementsAre(0, 3, 4, 6, 8));
}

TEST(SamplingCursorTest, RoundedTimesDoNotSlipAFrame) {
  // 30 fps in a time base of milliseconds: the frame meant for 1 s is at 0.999 or 1.000 s.
  std::vector<double> seconds;
  for (int i = 0; i < 91; ++i) seconds.push_back(static_cast<int>(i * 1000.0 / 30) / 1000.0);
  EXPECT_THAT(Taken(SamplingCursor({.sample_fps = 1}, absl::ZeroDuration()), seconds), ElementsAre(0, 30, 60, 90));
}

TEST(SamplingCursorTest, ARateAboveTheFrameRateTakesEveryFrame) {
  EXPECT_THAT(Taken(SamplingCursor({.sample_fps = 240}, absl::ZeroDuration()), {0, 0.04, 0.08}), ElementsAre(0, 1, 2));
}

TEST(SamplingCursorTest, TakesTheFirstFrameOfASegmentWhereverItLies) {
  EXPECT_THAT(Taken(SamplingCursor({.interval_frames = 2}, absl::ZeroDuration()), {0, 0.1, 0.2, 0.3}),
              ElementsAre(0, 2));
  SamplingCursor by_count({.interval_frames = 5}, absl::Seconds(1));
  EXPECT_TRUE(by_count.Take(33, absl::Seconds(1.1)));
  EXPECT_FALSE(by_count.Take(34, absl::Seconds(1.2)));
  EXPECT_TRUE(by_count.Take(35, absl::Seconds(1.3)));
  SamplingCursor by_time({.sample_fps = 1}, absl::Seconds(1));
  EXPECT_TRUE(by_time.Take(33, absl::Seconds(1.1)));
  EXPECT_FALSE(by_time.Take(34, absl::Seconds(1.9)));
  EXPECT_TRUE(by_time.Take(35, absl::Seconds(2.0)));
}

TEST(ReferenceRuleTest, WithoutAnIntervalTheOwnRuleStays) {
  analyzer::v1::Sampling sampling;
  sampling.set_sample_fps(0.5);
  for (const int interval : {0, -1}) {
    sampling.set_reference_min_interval(interval);
    EXPECT_EQ(ReferenceRule(sampling, 30).sample_fps, 0.5);
    EXPECT_EQ(ReferenceRule(sampling, 30).interval_frames, 0);
  }
  sampling.set_reference_min_interval(1);
  EXPECT_EQ(ReferenceRule(sampling, 30).sample_fps, 0);
  EXPECT_EQ(ReferenceRule(sampling, 30).interval_frames, 30);
}

TEST(SamplingRuleTest, WhatLeavesNothingOutTakesEveryFrame) {
  EXPECT_TRUE(SamplingRule().every_frame());
  EXPECT_TRUE(SamplingRule{.interval_frames = 1}.every_frame());
  EXPECT_FALSE(SamplingRule{.interval_frames = 2}.every_frame());
  EXPECT_FALSE(SamplingRule{.sample_fps = 0.01}.every_frame());
}

TEST(SamplingCursorTest, AFrameIsTakenAMillisecondEarlyAndNoMore) {
  SamplingCursor cursor({.sample_fps = 1}, absl::ZeroDuration());
  EXPECT_TRUE(cursor.Take(0, absl::ZeroDuration()));
  EXPECT_FALSE(cursor.Take(1, absl::Milliseconds(998)));
  EXPECT_TRUE(cursor.Take(2, absl::Microseconds(999'100)));
  EXPECT_FALSE(cursor.Take(3, absl::Milliseconds(1001)));
  // One that comes before the segment's start, as damaged files have them, is the first all the same.
  SamplingCursor late({.sample_fps = 1}, absl::Seconds(5));
  EXPECT_TRUE(late.Take(0, absl::Seconds(3)));
  EXPECT_FALSE(late.Take(1, absl::Seconds(4)));
  EXPECT_TRUE(late.Take(2, absl::Seconds(5)));
}

TEST(SamplingCursorTest, WhatIsNotWantedMayBeLeftOut) {
  for (const SamplingRule& rule : {SamplingRule{.sample_fps = 2}, SamplingRule{.interval_frames = 5}}) {
    SamplingCursor all(rule, absl::ZeroDuration()), some(rule, absl::ZeroDuration());
    for (int i = 0; i < 100; ++i) {
      if (!all.Take(i, absl::Milliseconds(100 * i))) continue;
      EXPECT_EQ(i % 5, 0);
      EXPECT_TRUE(some.Take(i, absl::Milliseconds(100 * i))) << i;
    }
  }
}

}  // namespace
}  // namespace reelsight::orchestrator
