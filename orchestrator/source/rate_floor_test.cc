// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/rate_floor.h"

#include "gtest/gtest.h"

namespace reelsight::orchestrator {
namespace {

const RateFloor::Options kTenPerSecond = {.min_bytes_per_second = 10, .window = absl::Seconds(30)};

TEST(RateFloorTest, ASenderThatStopsIsFoundOutAfterOneWindow) {
  RateFloor floor(kTenPerSecond);
  EXPECT_EQ(floor.left(), absl::Seconds(30));
  EXPECT_TRUE(floor.Waited(absl::Seconds(29)));
  EXPECT_EQ(floor.left(), absl::Seconds(1));
  EXPECT_FALSE(floor.Waited(absl::Seconds(1)));
  floor.Add(1'000'000);
  EXPECT_FALSE(floor.Waited(absl::ZeroDuration()));
}

TEST(RateFloorTest, ASenderThatDripsIsFoundOutThoughItNeverStops) {
  RateFloor floor(kTenPerSecond);
  int seconds = 0;
  do {
    floor.Add(9);
    ++seconds;
  } while (floor.Waited(absl::Seconds(1)) && seconds < 1000);
  EXPECT_EQ(seconds, 30);
}

TEST(RateFloorTest, OneThatKeepsTheRateGoesOn) {
  RateFloor floor(kTenPerSecond);
  for (int i = 0; i < 33 * 30; ++i) {
    floor.Add(10);
    ASSERT_TRUE(floor.Waited(absl::Seconds(1)));
  }
  // In lumps, too.
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(floor.Waited(absl::Seconds(29)));
    floor.Add(300);
    ASSERT_TRUE(floor.Waited(absl::Seconds(1)));
  }
}

TEST(RateFloorTest, AWindowLookedAtLateIsAsLongAsItWas) {
  RateFloor floor(kTenPerSecond);
  floor.Add(300);
  EXPECT_FALSE(floor.Waited(absl::Seconds(300)));
}

TEST(RateFloorTest, WithoutARateOneByteIsEnough) {
  RateFloor floor({.min_bytes_per_second = 0, .window = absl::Seconds(1)});
  floor.Add(1);
  EXPECT_TRUE(floor.Waited(absl::Seconds(1)));
  EXPECT_FALSE(floor.Waited(absl::Seconds(1)));
}

}  // namespace
}  // namespace reelsight::orchestrator
