// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/openvino_engine.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <openvino/openvino.hpp>
#include <openvino/opsets/opset13.hpp>
#include <thread>

#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/testing/scratch_folder.h"

namespace reelsight::inference {
namespace {

namespace ops = ov::opset13;

// y = x * 2 + 1, open batch, of three values.
std::string SavedModel(const testing::ScratchFolder& folder) {
  const auto x = std::make_shared<ops::Parameter>(ov::element::f32, ov::PartialShape{-1, 3});
  x->output(0).set_names({"x"});
  const auto two = ops::Constant::create(ov::element::f32, {1}, {2});
  const auto one = ops::Constant::create(ov::element::f32, {1}, {1});
  const auto y = std::make_shared<ops::Add>(std::make_shared<ops::Multiply>(x, two), one);
  y->output(0).set_names({"y"});
  const std::string path = folder / "double_plus_one.xml";
  ov::save_model(std::make_shared<ov::Model>(ov::OutputVector{y}, ov::ParameterVector{x}), path, false);
  return path;
}

Tensor Filled(Shape shape, float value) {
  Tensor tensor(DType::kFloat32, std::move(shape));
  for (float& element : tensor.mutable_values<float>()) element = value;
  return tensor;
}

TEST(OpenVinoEngineTest, RunsAnyBatch) {
  const testing::ScratchFolder folder;
  const auto engine = LoadOpenVinoEngine(SavedModel(folder), {});
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->inputs()[0].name, "x");
  EXPECT_EQ((*engine)->inputs()[0].shape, (Shape{-1, 3}));
  for (const int64_t batch : {1, 4, 2}) {
    const auto outputs = (*engine)->Run(std::vector<Tensor>{Filled({batch, 3}, 5)});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    EXPECT_EQ((*outputs)[0].shape(), (Shape{batch, 3}));
    for (const float value : (*outputs)[0].values<float>()) EXPECT_EQ(value, 11);
  }
}

TEST(OpenVinoEngineTest, WrongInputIsNamedAndLeavesItUsable) {
  const testing::ScratchFolder folder;
  const auto engine = LoadOpenVinoEngine(SavedModel(folder), {});
  ASSERT_TRUE(engine.ok());
  const auto outputs = (*engine)->Run(std::vector<Tensor>{Filled({1, 4}, 5)});
  EXPECT_EQ(outputs.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(outputs.status().message(), "tensor x must be float32 [?, 3], not float32 [1, 4]");
  EXPECT_FALSE((*engine)->Run({}).ok());
  EXPECT_TRUE((*engine)->Run(std::vector<Tensor>{Filled({1, 3}, 5)}).ok());
}

TEST(OpenVinoEngineTest, ManyThreadsShareAFewRequests) {
  const testing::ScratchFolder folder;
  const auto engine = LoadOpenVinoEngine(SavedModel(folder), {.max_concurrent_runs = 2});
  ASSERT_TRUE(engine.ok());
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const auto outputs = (*engine)->Run(std::vector<Tensor>{Filled({1, 3}, static_cast<float>(t))});
        if (!outputs.ok() || (*outputs)[0].values<float>()[0] != 2.0F * static_cast<float>(t) + 1) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(OpenVinoEngineTest, MissingAndCorruptFilesAreNamed) {
  const testing::ScratchFolder folder;
  const auto missing = LoadOpenVinoEngine("/nowhere/model.onnx", {});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find("/nowhere/model.onnx"), std::string::npos);
  const std::string path = folder / "corrupt.onnx";
  std::ofstream(path) << "this is no model";
  const auto corrupt = LoadOpenVinoEngine(path, {});
  EXPECT_EQ(corrupt.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(GetReason(corrupt.status()), "MODEL_CORRUPT");
  EXPECT_NE(corrupt.status().message().find(path), std::string::npos);
}

}  // namespace
}  // namespace reelsight::inference
