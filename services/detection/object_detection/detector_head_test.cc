// SPDX-License-Identifier: Apache-2.0
#include "services/detection/object_detection/detector_head.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/analysis/image.h"
#include "shared/base/status.h"
#include "shared/inference/openvino_engine.h"

namespace reelsight::object_detection {
namespace {

using inference::Detection;
using inference::DType;
using inference::Tensor;
using ::testing::HasSubstr;

constexpr int kSidePx = 64;
constexpr int kClasses = 3;

std::string TestData(const std::string& name) {
  const char* const root = std::getenv("REELSIGHT_SOURCE_DIR");
  return absl::StrCat(root == nullptr ? "." : root, "/services/detection/object_detection/testdata/", name);
}

// What testdata/make_detector_golden.py calls picture().
std::shared_ptr<analysis::Image> Picture(int height_px) {
  auto image =
      std::make_shared<analysis::Image>(analysis::PixelFormat::kRgb24, analysis::ImageSize{kSidePx, height_px});
  uint8_t* out = image->mutable_plane(0);
  for (int y = 0; y < height_px; ++y) {
    for (int x = 0; x < kSidePx; ++x) {
      for (int c = 0; c < 3; ++c) *out++ = static_cast<uint8_t>((x / 8 * 37 + y / 8 * 91 + c * 53 + x * y % 13) % 256);
    }
  }
  return image;
}

struct Golden {
  std::string network;
  int height_px = 0;
  std::vector<Detection> found;
};

std::vector<Golden> ReadGolden() {
  std::ifstream file(TestData("detector_golden.txt"));
  std::vector<Golden> all;
  Golden golden;
  size_t count = 0;
  while (file >> golden.network >> golden.height_px >> count) {
    golden.found.assign(count, {});
    for (Detection& found : golden.found) {
      file >> found.label >> found.score >> found.box.left >> found.box.top >> found.box.right >> found.box.bottom;
    }
    all.push_back(golden);
  }
  return all;
}

std::unique_ptr<DetectorHead> Head(const std::string& family, float min_score, int classes = kClasses) {
  auto head = MakeDetectorHead(
      family,
      {.width_px = kSidePx, .height_px = kSidePx, .class_count = classes, .min_score = min_score, .max_iou = 0.5F});
  EXPECT_TRUE(head.ok()) << head.status();
  return *std::move(head);
}

Tensor Values(const inference::Shape& shape, const std::vector<float>& values) {
  Tensor tensor(DType::kFloat32, shape);
  EXPECT_EQ(tensor.values<float>().size(), values.size());
  std::copy(values.begin(), values.end(), tensor.mutable_values<float>().begin());
  return tensor;
}

// Networks of the published code with random weights: its export, its way from a picture to boxes.
TEST(DetectorHeadTest, FindsWhatThePublishedImplementationsFind) {
  const std::vector<Golden> all = ReadGolden();
  ASSERT_EQ(all.size(), 3U);
  for (const Golden& golden : all) {
    SCOPED_TRACE(golden.network);
    const bool queries = golden.network == "rtdetr_tiny";
    const auto engine = inference::LoadOpenVinoEngine(TestData(golden.network + ".onnx"), {});
    ASSERT_TRUE(engine.ok()) << engine.status();
    const auto head = Head(queries ? "rtdetr" : "yolov8_detect", 0.25F);
    const auto placed = inference::ToTensor(*Picture(golden.height_px), head->input());
    ASSERT_TRUE(placed.ok()) << placed.status();
    const std::vector<Tensor> inputs = {placed->tensor};
    const auto outputs = (*engine)->Run(inputs);
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    const auto found = head->Decode(*outputs, placed->to_picture);
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_EQ(found->size(), golden.found.size());
    for (size_t i = 0; i < found->size(); ++i) {
      SCOPED_TRACE(i);
      const Detection &ours = (*found)[i], &theirs = golden.found[i];
      EXPECT_EQ(ours.label, theirs.label);
      // Two libraries' float32, and six digits in the file.
      EXPECT_NEAR(ours.score, theirs.score, 2e-4);
      EXPECT_NEAR(ours.box.left, theirs.box.left, 1e-3);
      EXPECT_NEAR(ours.box.top, theirs.box.top, 1e-3);
      EXPECT_NEAR(ours.box.right, theirs.box.right, 1e-3);
      EXPECT_NEAR(ours.box.bottom, theirs.box.bottom, 1e-3);
    }
  }
}

// One box from (0.25, 0.125) to (0.75, 0.625) of the second class, and one that is too weak, in each form of export.
TEST(DetectorHeadTest, AllFormsOfRtDetrSayTheSame) {
  const auto logit = [](float score) { return std::log(score / (1 - score)); };
  const Tensor boxes = Values({1, 2, 4}, {0.5F, 0.375F, 0.5F, 0.5F, 0.1F, 0.1F, 0.1F, 0.1F});
  const Tensor logits =
      Values({1, 2, 3}, {logit(0.2F), logit(0.8F), logit(0.1F), logit(0.05F), logit(0.02F), logit(0.01F)});
  const Tensor joined =
      Values({1, 2, 7}, {0.5F, 0.375F, 0.5F, 0.5F, 0.2F, 0.8F, 0.1F, 0.1F, 0.1F, 0.1F, 0.1F, 0.05F, 0.02F, 0.01F});
  const Tensor picked = Values({1, 2, 6}, {0.5F, 0.375F, 0.5F, 0.5F, 0.8F, 1, 0.1F, 0.1F, 0.1F, 0.1F, 0.05F, 0});
  const auto head = Head("rtdetr", 0.25F);
  const inference::Affine to_picture{.a = 1.0 / kSidePx, .e = 1.0 / kSidePx};
  for (const std::vector<Tensor>& outputs :
       std::vector<std::vector<Tensor>>{{logits, boxes}, {boxes, logits}, {joined}, {picked}}) {
    const auto found = head->Decode(outputs, to_picture);
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_EQ(found->size(), 1U);
    EXPECT_EQ((*found)[0].label, 1);
    EXPECT_NEAR((*found)[0].score, 0.8F, 1e-6);
    EXPECT_NEAR((*found)[0].box.left, 0.25F, 1e-6);
    EXPECT_NEAR((*found)[0].box.top, 0.125F, 1e-6);
    EXPECT_NEAR((*found)[0].box.right, 0.75F, 1e-6);
    EXPECT_NEAR((*found)[0].box.bottom, 0.625F, 1e-6);
  }
}

TEST(DetectorHeadTest, TwoClassesAreNotTakenForPickedOnes) {
  const Tensor joined = Values({1, 1, 6}, {0.5F, 0.5F, 0.5F, 0.5F, 0.4F, 0.9F});
  const std::vector<Tensor> outputs = {joined};
  const auto found = Head("rtdetr", 0.25F, 2)->Decode(outputs, {.a = 1.0 / kSidePx, .e = 1.0 / kSidePx});
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ((*found)[0].label, 1);
  EXPECT_FLOAT_EQ((*found)[0].score, 0.9F);
}

TEST(DetectorHeadTest, OutputsOfAnotherShapeAreNamed) {
  const std::vector<Tensor> outputs = {Tensor(DType::kFloat32, {1, 9, 5, 2})};
  for (const char* family : {"centernet", "nanodet", "rtdetr", "ssd", "ssd_tf", "yolov8_detect"}) {
    const absl::Status status = Head(family, 0.25F)->Decode(outputs, {}).status();
    EXPECT_EQ(GetReason(status), "INVALID_MODEL_OUTPUT") << family;
    EXPECT_THAT(std::string(status.message()), HasSubstr(family));
  }
  // As many classes as the catalogue has labels, or it is another model.
  const std::vector<Tensor> wrong_classes = {Tensor(DType::kFloat32, {1, 4 + kClasses + 1, 84})};
  EXPECT_FALSE(Head("yolov8_detect", 0.25F)->Decode(wrong_classes, {}).ok());
}

TEST(DetectorHeadTest, UnknownFamiliesAreRefusedWithTheKnownOnes) {
  const absl::Status status = MakeDetectorHead("yolov99", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("yolov8_detect"));
}

}  // namespace
}  // namespace reelsight::object_detection
