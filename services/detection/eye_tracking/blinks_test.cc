// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/blinks.h"

#include "gtest/gtest.h"

namespace reelsight::eye_tracking {
namespace {

// 30 a second.
std::vector<OpennessSample> Series(const std::vector<double>& values) {
  std::vector<OpennessSample> samples;
  for (size_t i = 0; i < values.size(); ++i)
    samples.push_back({static_cast<int64_t>(i) * absl::Seconds(1) / 30, values[i]});
  return samples;
}

std::vector<double> Open(size_t count, double value = 0.7) { return std::vector<double>(count, value); }

std::vector<double> operator+(std::vector<double> left, const std::vector<double>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

TEST(BlinksTest, FindsEachBlinkAtItsTime) {
  const auto blinks = FindBlinks(
      Series(Open(20) + std::vector<double>{0.52, 0.2, 0.1, 0.3, 0.6} + Open(30) + std::vector<double>{0.1} + Open(10)),
      {});
  ASSERT_EQ(blinks.size(), 2);
  EXPECT_EQ(blinks[0].start, 21 * absl::Seconds(1) / 30);
  EXPECT_EQ(blinks[0].end, 24 * absl::Seconds(1) / 30);
  EXPECT_EQ(blinks[1].start, 55 * absl::Seconds(1) / 30);
  EXPECT_EQ(blinks[1].end, 56 * absl::Seconds(1) / 30);
}

TEST(BlinksTest, ALidThatRestsBetweenTheLimitsDoesNotBlinkTwice) {
  EXPECT_EQ(FindBlinks(Series(Open(20) + std::vector<double>{0.3, 0.5, 0.3, 0.5} + Open(20)), {}).size(), 1);
}

TEST(BlinksTest, IsRelativeToTheFace) {
  EXPECT_EQ(FindBlinks(Series(Open(20, 0.3) + std::vector<double>{0.1} + Open(20, 0.3)), {}).size(), 1);
  EXPECT_TRUE(FindBlinks(Series(Open(40, 0.3)), {}).empty());
}

TEST(BlinksTest, ClosedEyesAndCutOffClosuresAreNone) {
  EXPECT_TRUE(FindBlinks(Series(Open(30) + Open(16, 0.1) + Open(30)), {}).empty());
  EXPECT_EQ(FindBlinks(Series(Open(30) + Open(15, 0.1) + Open(30)), {}).size(), 1);
  EXPECT_TRUE(FindBlinks(Series(Open(3, 0.1) + Open(30)), {}).empty());
  EXPECT_TRUE(FindBlinks(Series(Open(30) + Open(3, 0.1)), {}).empty());
  EXPECT_TRUE(FindBlinks({}, {}).empty());
}

}  // namespace
}  // namespace reelsight::eye_tracking
