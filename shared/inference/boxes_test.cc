// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/boxes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace reelsight::inference {
namespace {

using ::testing::ElementsAre;

TEST(IoUTest, IsTheShareOfTheUnion) {
  EXPECT_FLOAT_EQ(IoU({0, 0, 2, 2}, {1, 1, 3, 3}), 1.0F / 7);
  EXPECT_FLOAT_EQ(IoU({0, 0, 2, 2}, {0, 0, 2, 2}), 1);
  EXPECT_FLOAT_EQ(IoU({0, 0, 1, 1}, {1, 0, 2, 1}), 0);
  EXPECT_FLOAT_EQ(IoU({0, 0, 0, 0}, {0, 0, 0, 0}), 0);
}

TEST(NonMaximumSuppressionTest, DropsTheWeakerOfOneLabelOnly) {
  const std::vector<Detection> detections = {
      {{0, 0, 10, 10}, 0.6F, 1}, {{1, 0, 11, 10}, 0.9F, 1}, {{0, 0, 10, 10}, 0.7F, 2}, {{20, 20, 30, 30}, 0.1F, 1}};
  EXPECT_THAT(NonMaximumSuppression(detections, 0.5F, false, 10), ElementsAre(1, 2, 3));
  EXPECT_THAT(NonMaximumSuppression(detections, 0.5F, true, 10), ElementsAre(1, 3));
  EXPECT_THAT(NonMaximumSuppression(detections, 0.5F, false, 2), ElementsAre(1, 2));
}

TEST(NonMaximumSuppressionTest, EqualScoresKeepTheirOrder) {
  const std::vector<Detection> detections = {{{0, 0, 1, 1}, 0.5F, 0}, {{5, 5, 6, 6}, 0.5F, 0}, {{0, 0, 1, 1}, 0.5F, 0}};
  EXPECT_THAT(NonMaximumSuppression(detections, 0.5F, false, 10), ElementsAre(0, 1));
}

}  // namespace
}  // namespace reelsight::inference
