// SPDX-License-Identifier: Apache-2.0
#include "shared/testing/test_models.h"

#include <filesystem>
#include <fstream>
#include <openvino/openvino.hpp>
#include <openvino/opsets/opset13.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::testing {
namespace {

namespace ops = ov::opset13;
using inference::ModelRuntime;

std::unique_ptr<ModelRuntime> MakeRuntime(const model_store::ModelStore& store, ModelRuntime::Options options,
                                          telemetry::Metrics* metrics) {
  auto runtime = ModelRuntime::Create(store, std::move(options), metrics);
  EXPECT_TRUE(runtime.ok()) << runtime.status();
  return *std::move(runtime);
}

// A product of the scalar `x` with that many weights, which no compiler can leave out.
ov::Output<ov::Node> Weigh(const ov::Output<ov::Node>& x, int64_t bytes) {
  std::vector<float> weights(static_cast<size_t>(bytes) / sizeof(float));
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i % 251) - 125.0F;
  const auto row = std::make_shared<ops::Reshape>(x, ops::Constant::create(ov::element::i64, {2}, {1, 1}), false);
  const auto product = std::make_shared<ops::MatMul>(
      row, ops::Constant::create(ov::element::f32, ov::Shape{1, weights.size()}, weights));
  const auto mean = std::make_shared<ops::ReduceMean>(product, ops::Constant::create(ov::element::i64, {2}, {0, 1}));
  return std::make_shared<ops::Multiply>(mean, ops::Constant::create(ov::element::f32, {}, {0.0F}));
}

void Save(const MadeModel& made, const std::string& path) {
  const auto picture = std::make_shared<ops::Parameter>(
      ov::element::f32, ov::PartialShape{1, 3, int64_t{made.height_px}, int64_t{made.width_px}});
  picture->output(0).set_names({"picture"});
  ov::Output<ov::Node> mean =
      std::make_shared<ops::ReduceMean>(picture, ops::Constant::create(ov::element::i64, {4}, {0, 1, 2, 3}));
  if (made.weights_bytes > 0) mean = std::make_shared<ops::Add>(mean, Weigh(mean, made.weights_bytes));
  const auto scalar = [&](float value) {
    return std::make_shared<ops::Multiply>(mean, ops::Constant::create(ov::element::f32, {}, {value}));
  };
  ov::OutputVector outputs;
  for (const MadeModel::Output& output : made.outputs) {
    const auto values =
        ops::Constant::create(ov::element::f32, ov::Shape(output.shape.begin(), output.shape.end()), output.values);
    ov::Output<ov::Node> sum = std::make_shared<ops::Add>(values, scalar(made.gain));
    if (made.divide_by_zero) sum = std::make_shared<ops::Divide>(sum, scalar(0));
    sum.set_names({absl::StrCat("output", outputs.size())});
    outputs.push_back(sum);
  }
  ov::save_model(std::make_shared<ov::Model>(outputs, ov::ParameterVector{picture}), path, false);
}

}  // namespace

TestModels::TestModels(model_store::ModelStore store, ModelRuntime::Options options)
    : store_(std::move(store)),
      metrics_({.service = "test", .version = "1", .models = true}),
      runtime_(MakeRuntime(store_, std::move(options), &metrics_)) {}

absl::StatusOr<std::unique_ptr<TestModels>> OpenInstalledModels(const std::vector<std::string>& names,
                                                                ModelRuntime::Options options) {
  ASSIGN_OR_RETURN(model_store::ModelStore store, model_store::ModelStore::Open({}));
  for (const std::string& name : names) RETURN_IF_ERROR(store.Installed(name).status());
  return std::make_unique<TestModels>(std::move(store), std::move(options));
}

std::string MadeModels::FolderOf(const std::string& name) const { return folder_ / absl::StrCat(name, "/1"); }

void MadeModels::AddEntry(const std::string& name, const std::string& file, const std::string& more) {
  const std::string path = absl::StrCat(FolderOf(name), "/", file);
  const auto sha256 = model_store::FileSha256(path);
  EXPECT_TRUE(sha256.ok()) << sha256.status();
  absl::StrAppend(&catalog_, "models { name: '", name, "' version: '1' license: 'MIT' files { name: '", file,
                  "' sha256: '", *sha256, "' size_bytes: ", std::filesystem::file_size(path), " path: '", file, "' } ",
                  more, " }\n");
}

void MadeModels::Add(const MadeModel& model) {
  std::filesystem::create_directories(FolderOf(model.name));
  Save(model, absl::StrCat(FolderOf(model.name), "/model.xml"));
  AddEntry(model.name, "model.xml",
           absl::StrCat("task: '", model.task, "' family: '", model.family, "' input { width_px: ", model.width_px,
                        " height_px: ", model.height_px, " } ", model.more));
}

std::string MadeModels::AddFile(const std::string& name, const std::string& file, const std::string& bytes,
                                const std::string& more) {
  std::filesystem::create_directories(FolderOf(name));
  const std::string path = absl::StrCat(FolderOf(name), "/", file);
  std::ofstream(path, std::ios::binary) << bytes;
  AddEntry(name, file, absl::StrCat("task: 'object_detection' family: 'yolov8_detect' ", more));
  return path;
}

std::unique_ptr<TestModels> MadeModels::Open(ModelRuntime::Options options) const {
  auto catalog = model_store::ModelCatalog::Parse(catalog_, "test");
  EXPECT_TRUE(catalog.ok()) << catalog.status();
  return std::make_unique<TestModels>(model_store::ModelStore(*std::move(catalog), folder_.path()), std::move(options));
}

}  // namespace reelsight::testing
