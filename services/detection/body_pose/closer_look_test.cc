// SPDX-License-Identifier: Apache-2.0
#include "services/detection/body_pose/closer_look.h"

#include <cstring>

#include "gtest/gtest.h"

namespace reelsight::body_pose {
namespace {

using inference::Box;

Pose At(const Box& box, float score, float nose_x = 0) {
  Pose pose;
  pose.box = box;
  pose.score = score;
  pose.keypoints[kNose].x = nose_x;
  return pose;
}

TEST(CloserLooksTest, SmallPeopleFillTheInputAndPlacesComeBack) {
  // A person of 40 x 80 pixels, white, in a picture of 400 x 200.
  analysis::Image image(analysis::PixelFormat::kRgb24, {400, 200});
  uint8_t* const pixels = image.mutable_plane(0);
  std::memset(pixels, 0, 400 * 200 * 3);
  for (int y = 60; y < 140; ++y) std::memset(pixels + 3 * (y * 400 + 300), 255, 40 * 3);
  const std::vector<Pose> poses = {At({0.75F, 0.3F, 0.85F, 0.7F}, 0.9F), At({0, 0, 1, 1}, 0.9F),
                                   At({0.1F, 0.3F, 0.2F, 0.7F}, 0.1F), At({0.5F, 0.5F, 0.5F, 0.5F}, 0.9F)};
  const auto looks = CloserLooks(image, poses, 0.2F, {.width_px = 100, .height_px = 100, .fill = 0});
  ASSERT_TRUE(looks.ok());
  // Not the large one, the weak one, nor the one without a body.
  ASSERT_EQ(looks->size(), 1u);
  const CloserLook& look = (*looks)[0];
  EXPECT_EQ(look.pose, 0u);
  // 80 pixels of height are 1/1.25 of the input.
  const float* const red = look.input.tensor.values<float>().data();
  const auto at = [&](int x, int y) { return red[y * 100 + x]; };
  EXPECT_EQ(at(50, 50), 255);
  EXPECT_EQ(at(50, 12), 255);
  EXPECT_EQ(at(50, 8), 0);
  EXPECT_EQ(at(50, 92), 0);
  EXPECT_EQ(at(32, 50), 255);
  EXPECT_EQ(at(28, 50), 0);
  double x = 0, y = 0;
  look.input.to_picture.Apply(50, 90, &x, &y);
  EXPECT_NEAR(x, 0.8, 1e-6);
  EXPECT_NEAR(y, 0.7, 1e-6);
}

TEST(CloserLooksTest, PeopleAtTheEdgeAreSurroundedByTheFill) {
  analysis::Image image(analysis::PixelFormat::kRgb24, {100, 100});
  std::memset(image.mutable_plane(0), 200, 100 * 100 * 3);
  const auto looks =
      CloserLooks(image, {At({0, 0, 0.2F, 0.4F}, 0.9F)}, 0.2F, {.width_px = 50, .height_px = 50, .fill = 7});
  ASSERT_EQ(looks->size(), 1u);
  EXPECT_EQ((*looks)[0].input.tensor.values<float>()[0], 7);
}

TEST(TakeCloserLooksTest, TheBestFitTakesThePlaceUnlessItIsSomebodyElse) {
  const Box left = {0.1F, 0.1F, 0.3F, 0.5F}, right = {0.2F, 0.1F, 0.4F, 0.5F}, far = {0.7F, 0.1F, 0.9F, 0.5F};
  std::vector<Pose> poses = {At(left, 0.6F), At(right, 0.5F), At(far, 0.4F)};
  std::vector<CloserLook> looks(3);
  for (size_t i = 0; i < looks.size(); ++i) looks[i].pose = i;
  const std::vector<std::vector<Pose>> seen = {
      // Sharper, though less sure.
      {At(far, 0.9F, 3), At({0.11F, 0.1F, 0.3F, 0.5F}, 0.3F, 1)},
      // Only the neighbour.
      {At({0.12F, 0.1F, 0.33F, 0.5F}, 0.9F, 2)},
      // Nobody.
      {},
  };
  TakeCloserLooks(looks, seen, &poses);
  EXPECT_EQ(poses[0].keypoints[kNose].x, 1);
  EXPECT_EQ(poses[0].score, 0.6F);
  EXPECT_EQ(poses[1].keypoints[kNose].x, 0);
  EXPECT_EQ(poses[2].keypoints[kNose].x, 0);
}

}  // namespace
}  // namespace reelsight::body_pose
