// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/face_detector.h"

#include <cmath>

#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::eye_tracking {
namespace {

using inference::DType;
using inference::Tensor;

struct Outputs {
  explicit Outputs(int anchors)
      : tensors({Tensor(DType::kFloat32, {1, anchors, 16}), Tensor(DType::kFloat32, {1, anchors, 1})}) {
    for (float& value : tensors[0].mutable_values<float>()) value = 0;
    for (float& value : tensors[1].mutable_values<float>()) value = -200;
  }
  // A face of `size_px` whose centre lies (dx, dy) from the anchor; its key points at the anchor.
  void Set(int anchor, float logit, float dx, float dy, float size_px) {
    tensors[1].mutable_values<float>()[anchor] = logit;
    float* const values = &tensors[0].mutable_values<float>()[anchor * 16];
    values[0] = dx;
    values[1] = dy;
    values[2] = values[3] = size_px;
  }
  std::vector<Tensor> tensors;
};

DetectedFace FaceAt(float left, float top, float side, float score) {
  DetectedFace face;
  face.box = {left, top, left + side, top + side};
  face.score = score;
  return face;
}

TEST(FaceDetectorHeadTest, DecodesFromTheCellsOfThePublishedAnchors) {
  const auto head = FaceDetectorHead::ForFamily("blazeface_short_range");
  ASSERT_TRUE(head.ok()) << head.status();
  // Anchor 2 * (3 * 16 + 5) + 1: column 5, row 3 of the grid of stride 8; anchor 512 + 6 * 8: row 1 of stride 16.
  Outputs outputs(896);
  outputs.Set(107, 0, 2, -4, 20);
  outputs.Set(560, 100, 0, 0, 16);
  const Region region = {.center = {64, 64}, .side_px = 128};
  const auto faces = head->Decode(outputs.tensors, region, 0.5F);
  ASSERT_TRUE(faces.ok()) << faces.status();
  ASSERT_EQ(faces->size(), 2);
  EXPECT_FLOAT_EQ((*faces)[0].score, 1);
  EXPECT_FLOAT_EQ((*faces)[0].box.left, 8 - 8);
  EXPECT_FLOAT_EQ((*faces)[0].box.top, 24 - 8);
  EXPECT_FLOAT_EQ((*faces)[1].score, 0.5);
  EXPECT_FLOAT_EQ((*faces)[1].box.left, 44 + 2 - 10);
  EXPECT_FLOAT_EQ((*faces)[1].box.bottom, 28 - 4 + 10);
  EXPECT_FLOAT_EQ((*faces)[1].keypoints[0].x, 44);
  EXPECT_FLOAT_EQ((*faces)[1].keypoints[0].y, 28);
}

TEST(FaceDetectorHeadTest, PlacesFacesWhereTheRegionLies) {
  const auto head = FaceDetectorHead::ForFamily("blazeface_full_range");
  ASSERT_TRUE(head.ok()) << head.status();
  Outputs outputs(2304);
  outputs.Set(48 * 24 + 24, 5, 0, 0, 48);
  const auto faces = head->Decode(outputs.tensors, {.center = {1000, 500}, .side_px = 384}, 0.5F);
  ASSERT_TRUE(faces.ok()) << faces.status();
  ASSERT_EQ(faces->size(), 1);
  EXPECT_FLOAT_EQ((*faces)[0].keypoints[3].x, 1000 + 4);
  EXPECT_FLOAT_EQ((*faces)[0].box.width(), 96);
}

TEST(FaceDetectorHeadTest, RefusesOtherOutputsAndFamilies) {
  const auto head = FaceDetectorHead::ForFamily("blazeface_short_range");
  ASSERT_TRUE(head.ok()) << head.status();
  const auto faces = head->Decode(Outputs(2304).tensors, {.side_px = 128}, 0.5F);
  EXPECT_EQ(GetReason(faces.status()), "INVALID_MODEL_OUTPUT");
  EXPECT_NE(faces.status().message().find("[1, 2304, 16]"), std::string::npos) << faces.status();
  EXPECT_EQ(FaceDetectorHead::ForFamily("ssd").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(JoinFacesTest, AveragesWhatOverlapsByScore) {
  const auto faces = JoinFaces({FaceAt(0, 0, 10, 0.5F), FaceAt(2, 0, 10, 1), FaceAt(50, 50, 10, 0.7F)}, 0.3F);
  ASSERT_EQ(faces.size(), 2);
  EXPECT_FLOAT_EQ(faces[0].score, 1);
  EXPECT_FLOAT_EQ(faces[0].box.left, 2.0F * 1 / 1.5F);
  EXPECT_FLOAT_EQ(faces[1].box.left, 50);
}

TEST(DropRepeatsTest, KeepsTheStrongestFindsOfEachFace) {
  const std::vector<DetectedFace> finds = {FaceAt(0, 0, 10, 0.6F), FaceAt(1, 1, 8, 0.9F), FaceAt(0, 1, 9, 0.8F),
                                           FaceAt(20, 0, 10, 0.5F)};
  const auto faces = DropRepeats(finds, 0.5F, 2);
  ASSERT_EQ(faces.size(), 3);
  EXPECT_FLOAT_EQ(faces[0].score, 0.9F);
  EXPECT_FLOAT_EQ(faces[1].score, 0.8F);
  EXPECT_FLOAT_EQ(faces[2].score, 0.5F);
}

}  // namespace
}  // namespace reelsight::eye_tracking
