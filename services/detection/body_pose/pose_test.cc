// SPDX-License-Identifier: Apache-2.0
#include "services/detection/body_pose/pose.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/detection/body_pose/pose_head.h"
#include "services/detection/body_pose/pose_payload.h"
#include "shared/base/status.h"

namespace reelsight::body_pose {
namespace {

using inference::DType;
using inference::Tensor;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Result = v1::BodyPoseResult;

// Upright, arms down, seen from the front.
Pose Standing() {
  Pose pose;
  for (Keypoint& keypoint : pose.keypoints) keypoint.score = 0.9F;
  const auto put = [&](int left, float y, float spread) {
    pose.keypoints[static_cast<size_t>(left)].x = 0.5F + spread;
    pose.keypoints[static_cast<size_t>(left)].y = y;
    pose.keypoints[static_cast<size_t>(left) + 1].x = 0.5F - spread;
    pose.keypoints[static_cast<size_t>(left) + 1].y = y;
  };
  put(kLeftShoulder, 0.3F, 0.05F);
  put(kLeftElbow, 0.42F, 0.06F);
  put(kLeftWrist, 0.52F, 0.06F);
  put(kLeftHip, 0.5F, 0.04F);
  put(kLeftKnee, 0.7F, 0.04F);
  put(kLeftAnkle, 0.9F, 0.04F);
  return pose;
}

TEST(ActionsTest, StandingSittingAndRaisedArms) {
  Pose pose = Standing();
  EXPECT_THAT(ActionsOf(pose, 1), ElementsAre(Result::STANDING));
  pose.keypoints[kLeftWrist].y = 0.1F;
  EXPECT_THAT(ActionsOf(pose, 1), ElementsAre(Result::ARMS_RAISED, Result::STANDING));
  // A wrist at the height of the shoulder is not raised.
  pose.keypoints[kLeftWrist].y = 0.29F;
  EXPECT_THAT(ActionsOf(pose, 1), ElementsAre(Result::STANDING));
  Pose seated = Standing();
  for (const int side : {0, 1}) {
    seated.keypoints[static_cast<size_t>(kLeftKnee + side)] = {0.7F, 0.52F, 0.9F};
    seated.keypoints[static_cast<size_t>(kLeftAnkle + side)] = {0.7F, 0.72F, 0.9F};
  }
  EXPECT_THAT(ActionsOf(seated, 1), ElementsAre(Result::SITTING));
  // Lying: everything is turned by a right angle.
  Pose lying = Standing();
  for (Keypoint& keypoint : lying.keypoints) std::swap(keypoint.x, keypoint.y);
  EXPECT_THAT(ActionsOf(lying, 1), IsEmpty());
}

TEST(ActionsTest, JointsThatAreNotSeenTellNothing) {
  Pose pose = Standing();
  for (const int joint : {kLeftAnkle, kRightAnkle}) pose.keypoints[static_cast<size_t>(joint)].score = 0.1F;
  EXPECT_THAT(ActionsOf(pose, 1), IsEmpty());
  EXPECT_THAT(ActionsOf(Pose{}, 1), IsEmpty());
}

TEST(ActionsTest, AnglesAreThoseOnTheScreen) {
  // A leg that leans by 0.1 of the width: upright in a tall picture, aslant in a wide one.
  Pose pose = Standing();
  for (const int side : {0, 1}) {
    pose.keypoints[static_cast<size_t>(kLeftKnee + side)].x += 0.1F;
    pose.keypoints[static_cast<size_t>(kLeftAnkle + side)].x += 0.2F;
  }
  EXPECT_THAT(ActionsOf(pose, 9.0 / 16), ElementsAre(Result::STANDING));
  EXPECT_THAT(ActionsOf(pose, 16.0 / 9), IsEmpty());
}

TEST(PayloadTest, GoesThereAndBackAndRefusesOthers) {
  const std::vector<Pose> poses = {Standing(), Pose{}};
  const auto back = DecodePoses(EncodePoses(poses));
  ASSERT_TRUE(back.ok());
  ASSERT_EQ(back->size(), 2u);
  EXPECT_EQ((*back)[0].keypoints[kLeftKnee].y, poses[0].keypoints[kLeftKnee].y);
  EXPECT_TRUE(DecodePoses(EncodePoses({}))->empty());
  EXPECT_EQ(GetReason(DecodePoses("").status()), "BAD_FRAME");
  EXPECT_EQ(GetReason(DecodePoses("short").status()), "BAD_FRAME");
  Pose bad;
  bad.keypoints[3].x = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(GetReason(DecodePoses(EncodePoses({bad})).status()), "BAD_FRAME");
}

TEST(MoveNetHeadTest, PlacesJointsInThePicture) {
  const auto head = *MakePoseHead("movenet_multipose", {.width_px = 256, .height_px = 256});
  Tensor output(DType::kFloat32, {1, 2, 56});
  for (float& value : output.mutable_values<float>()) value = 0;
  const auto row = output.mutable_values<float>();
  row[3 * kLeftWrist] = 0.25F;      // y
  row[3 * kLeftWrist + 1] = 0.5F;   // x
  row[3 * kLeftWrist + 2] = 0.75F;  // score
  row[51] = 0.1F;
  row[52] = 0.2F;
  row[53] = 0.45F;
  row[54] = 0.6F;
  row[55] = 0.8F;
  // A picture of 2:1 fills the upper half of the input.
  const analysis::Image image(analysis::PixelFormat::kRgb24, {512, 256});
  const auto placed = inference::ToTensor(image, head->input());
  ASSERT_TRUE(placed.ok());
  const std::vector<Tensor> outputs = {output};
  const auto poses = head->Decode(outputs, placed->to_picture);
  ASSERT_TRUE(poses.ok()) << poses.status();
  ASSERT_EQ(poses->size(), 1u);
  EXPECT_FLOAT_EQ((*poses)[0].keypoints[kLeftWrist].x, 0.5F);
  EXPECT_FLOAT_EQ((*poses)[0].keypoints[kLeftWrist].y, 0.5F);
  EXPECT_FLOAT_EQ((*poses)[0].keypoints[kLeftWrist].score, 0.75F);
  EXPECT_NEAR((*poses)[0].box.left, 0.2F, 1e-6);
  EXPECT_NEAR((*poses)[0].box.bottom, 0.9F, 1e-6);
}

TEST(YoloV8PoseHeadTest, SuppressesDoublesAndUndoesTheLetterbox) {
  const auto head = *MakePoseHead("yolov8_pose", {.width_px = 640, .height_px = 640});
  constexpr size_t kCount = 3;
  Tensor output(DType::kFloat32, {1, 56, kCount});
  for (float& value : output.mutable_values<float>()) value = 0;
  const auto put = [&](size_t number, size_t index, float value) {
    output.mutable_values<float>()[number * kCount + index] = value;
  };
  for (const size_t i : {size_t{0}, size_t{1}}) {
    put(0, i, 320);
    put(1, i, 320);
    put(2, i, 100);
    put(3, i, 200);
    put(4, i, i == 0 ? 0.6F : 0.9F);
    put(5, i, 320);
    put(6, i, 160);
    put(7, i, 1);
  }
  const analysis::Image image(analysis::PixelFormat::kRgb24, {640, 320});
  const auto placed = inference::ToTensor(image, head->input());
  const std::vector<Tensor> outputs = {output};
  const auto poses = head->Decode(outputs, placed->to_picture);
  ASSERT_TRUE(poses.ok());
  ASSERT_EQ(poses->size(), 1u);
  EXPECT_FLOAT_EQ((*poses)[0].score, 0.9F);
  EXPECT_FLOAT_EQ((*poses)[0].keypoints[kNose].x, 0.5F);
  EXPECT_FLOAT_EQ((*poses)[0].keypoints[kNose].y, 0);
}

// testdata/make_yolov8_pose_golden.py.
TEST(YoloV8PoseHeadTest, ReadsWhatUltralyticsReads) {
  const char* const root = std::getenv("REELSIGHT_SOURCE_DIR");
  std::ifstream golden(
      absl::StrCat(root == nullptr ? "." : root, "/services/detection/body_pose/testdata/yolov8_pose_golden.txt"));
  constexpr int kWidth = 96, kHeight = 48, kInput = 64;
  int64_t numbers = 0, count = 0;
  size_t found = 0;
  ASSERT_TRUE(golden >> numbers >> count >> found);
  Tensor output(DType::kFloat32, {1, numbers, count});
  for (float& value : output.mutable_values<float>()) golden >> value;
  const auto head = *MakePoseHead(
      "yolov8_pose", {.width_px = kInput, .height_px = kInput, .min_score = 0.25F, .max_iou = 0.7F, .max_poses = 300});
  const analysis::Image image(analysis::PixelFormat::kRgb24, {kWidth, kHeight});
  const auto placed = inference::ToTensor(image, head->input());
  const std::vector<Tensor> outputs = {output};
  const auto poses = head->Decode(outputs, placed->to_picture);
  ASSERT_TRUE(poses.ok());
  size_t compared = 0;
  // They cut places off at the edges of the picture, and keep boxes of which nothing is left.
  const auto clip = [](float value) { return std::clamp(value, 0.0F, 1.0F); };
  for (size_t i = 0; i < found; ++i) {
    float score = 0, left = 0, top = 0, right = 0, bottom = 0;
    golden >> score >> left >> top >> right >> bottom;
    const bool empty = right <= left || bottom <= top;
    if (!empty) {
      ASSERT_LT(compared, poses->size());
      const Pose& pose = (*poses)[compared];
      EXPECT_NEAR(pose.score, score, 1e-5);
      EXPECT_NEAR(pose.box.left, left / kWidth, 1e-4);
      EXPECT_NEAR(pose.box.top, top / kHeight, 1e-4);
      EXPECT_NEAR(pose.box.right, right / kWidth, 1e-4);
      EXPECT_NEAR(pose.box.bottom, bottom / kHeight, 1e-4);
    }
    for (size_t joint = 0; joint < kJointCount; ++joint) {
      float x = 0, y = 0, visible = 0;
      golden >> x >> y >> visible;
      if (empty) continue;
      const Keypoint& keypoint = (*poses)[compared].keypoints[joint];
      EXPECT_NEAR(clip(keypoint.x), x / kWidth, 1e-4);
      EXPECT_NEAR(clip(keypoint.y), y / kHeight, 1e-4);
      EXPECT_NEAR(keypoint.score, visible, 1e-4);
    }
    compared += empty ? 0 : 1;
  }
  EXPECT_TRUE(golden);
  EXPECT_EQ(compared, poses->size());
  EXPECT_GT(compared, 20u);
}

TEST(PoseHeadTest, OutputsOfAnotherFamilyAreNamed) {
  for (const char* family : {"movenet_multipose", "yolov8_pose"}) {
    const auto head = *MakePoseHead(family, {.width_px = 32, .height_px = 32});
    const std::vector<Tensor> outputs = {Tensor(DType::kFloat32, {1, 84, 100})};
    const absl::Status status = head->Decode(outputs, {}).status();
    EXPECT_EQ(GetReason(status), "INVALID_MODEL_OUTPUT");
    EXPECT_THAT(std::string(status.message()), HasSubstr("float32[1, 84, 100]"));
  }
  EXPECT_FALSE(MakePoseHead("openpose", {}).ok());
}

}  // namespace
}  // namespace reelsight::body_pose
