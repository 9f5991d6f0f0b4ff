// SPDX-License-Identifier: Apache-2.0
//
// Every ONNX model that is installed, by both engines, on the same fresh random pictures.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "gtest/gtest.h"
#include "shared/inference/engine_factory.h"
#include "shared/inference/torch/onnx_graph_test_support.h"
#include "shared/model_store/model_store.h"

namespace reelsight::inference {
namespace {

// Of the root mean square. Depth adds up rounding errors that differ by the order of sums.
constexpr double kFloat32Error = 1e-3;

std::vector<std::string> InstalledModels() {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(model_store::DefaultDirectory(), error)) {
    if (entry.path().extension() == ".onnx") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// Sides that a model leaves open but cannot take at will.
int64_t OpenSide(const std::string& input) {
  static const std::map<std::string, int64_t> sides = {{"r1i", 80}, {"r2i", 40}, {"r3i", 20}, {"r4i", 10}};
  const auto found = sides.find(input);
  return found == sides.end() ? 160 : found->second;
}

// The largest value of a picture's elements: 1, but for models that take those of bytes.
float MostOf(const std::string& path) {
  const bool bytes = path.find("centernet") != std::string::npos || path.find("movenet") != std::string::npos;
  return bytes ? 255 : 1;
}

// Noise, coarse and fine, in [0, `most`) or in all values of a byte: the answers of a network to noise of one pixel
// alone are so much alike that small errors change their order.
Tensor RandomPicture(const TensorSpec& spec, int64_t batch, float most, std::mt19937& random) {
  Shape shape = spec.shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) shape[i] = i == 0 ? batch : OpenSide(spec.name);
  }
  Tensor tensor(spec.type, shape);
  const int64_t width = shape.back();
  const auto coarse = RandomFloats(random, {17, 19}, 0, 0.8F);
  const auto value_at = [&](int64_t i) {
    const int64_t block = (i / width / 12 % 17) * 19 + i % width / 12 % 19;
    return coarse.values<float>()[static_cast<size_t>(block)] + static_cast<float>(random() % 1000) / 5000.0F;
  };
  for (int64_t i = 0; i < tensor.count(); ++i) {
    if (spec.type == DType::kUint8)
      tensor.mutable_values<uint8_t>()[static_cast<size_t>(i)] = static_cast<uint8_t>(255 * value_at(i));
    if (spec.type == DType::kFloat32) tensor.mutable_values<float>()[static_cast<size_t>(i)] = most * value_at(i);
  }
  return tensor;
}

// Root of the mean square of the difference over that of what is expected.
double RelativeError(const Tensor& actual, const Tensor& expected) {
  double difference = 0;
  double size = 1e-12;
  const auto a = actual.values<float>();
  const auto e = expected.values<float>();
  for (size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - e[i], 2);
    size += std::pow(static_cast<double>(e[i]), 2);
  }
  return std::sqrt(difference / size);
}

// The column of scores of CenterNet's detections, best first. OpenVINO takes its factor 0.166626 for one sixth, layer
// after layer, which changes scores by a few thousandths and, on noise, which places are the best.
Tensor ScoresOf(const Tensor& detections) {
  const int64_t width = detections.shape().back();
  Tensor scores(DType::kFloat32, {detections.count() / width});
  for (int64_t row = 0; row < scores.count(); ++row) {
    scores.mutable_values<float>()[static_cast<size_t>(row)] =
        detections.values<float>()[static_cast<size_t>(row * width + 4)];
  }
  return scores;
}
constexpr double kScoresError = 0.05;

TEST(ModelParityTest, BothEnginesGiveTheSame) {
  const std::vector<std::string> paths = InstalledModels();
  if (const absl::Status status = EngineAvailable(EngineKind::kLibTorch); !status.ok()) GTEST_SKIP() << status;
  if (paths.empty()) GTEST_SKIP() << "no ONNX model is installed in " << model_store::DefaultDirectory();
  const unsigned seed = std::random_device()();
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    const auto reference = LoadEngine(EngineKind::kOpenVino, path, {});
    ASSERT_TRUE(reference.ok()) << reference.status();
    const auto wide = LoadEngine(EngineKind::kLibTorch, path, {});
    ASSERT_TRUE(wide.ok()) << wide.status();
    const auto narrow = LoadEngine(EngineKind::kLibTorch, path, {.precision = Precision::kBfloat16});
    ASSERT_TRUE(narrow.ok()) << narrow.status();
    std::vector<Tensor> inputs;
    for (const TensorSpec& spec : (*wide)->inputs()) inputs.push_back(RandomPicture(spec, 1, MostOf(path), random));
    const auto expected = (*reference)->Run(inputs);
    ASSERT_TRUE(expected.ok()) << expected.status();
    for (const auto* engine : {&*wide, &*narrow}) {
      const auto actual = (*engine)->Run(inputs);
      ASSERT_TRUE(actual.ok()) << actual.status();
      ASSERT_EQ(actual->size(), expected->size());
      for (size_t i = 0; i < actual->size(); ++i) {
        ASSERT_EQ((*actual)[i].shape(), (*expected)[i].shape());
        if ((*expected)[i].type() != DType::kFloat32) continue;
        const std::string& name = (*wide)->outputs()[i].name;
        const double error = name == "detections" ? RelativeError(ScoresOf((*actual)[i]), ScoresOf((*expected)[i]))
                                                  : RelativeError((*actual)[i], (*expected)[i]);
        std::cout << std::filesystem::path(path).filename().string() << " " << name
                  << (engine == &*wide ? " float32 " : " bfloat16 ") << error << "\n";
        if (engine == &*wide) {
          EXPECT_LT(error, name == "detections" ? kScoresError : kFloat32Error) << name;
        }
      }
    }
  }
}

}  // namespace
}  // namespace reelsight::inference
