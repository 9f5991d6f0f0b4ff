// SPDX-License-Identifier: Apache-2.0
//
// Every ONNX model that is installed, by both engines, on the same fresh random pictures.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <random>

#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/inference/engine_factory.h"
#include "shared/inference/torch/onnx_graph_test_support.h"
#include "shared/model_store/model_store.h"

namespace reelsight::inference {
namespace {

// Of the root mean square. Depth adds up rounding errors that differ by the order of sums; 1e-6 to 4e-5 were seen.
constexpr double kFloat32Error = 1e-3;
// How much bfloat16 changes is the model's own matter: from 0.2% to everything, for noise is no picture. OpenVINO's
// bfloat16 says how much that is; ours rounds at other places, and may err five times as much and two percent more.
constexpr double kBfloat16Factor = 5;
constexpr double kBfloat16Error = 0.02;

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

double ErrorOf(const std::string& output, const Tensor& actual, const Tensor& expected) {
  if (output == "detections") return RelativeError(ScoresOf(actual), ScoresOf(expected));
  return RelativeError(actual, expected);
}

// Whether a model of yours rounds to int8 on its way. Where two float32 results lie on both sides of half a step, one
// whole step lies between what becomes of them: such models are held to run, their operators to the right numbers.
bool IsQuantized(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return bytes.find("QuantizeLinear") != std::string::npos;
}

absl::StatusOr<std::vector<Tensor>> LoadAndRun(EngineKind kind, const std::string& path, Precision precision,
                                               const std::vector<Tensor>& inputs) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, LoadEngine(kind, path, {.precision = precision}));
  return engine->Run(inputs);
}

TEST(ModelParityTest, BothEnginesGiveTheSame) {
  const std::vector<std::string> paths = InstalledModels();
  if (const absl::Status status = EngineAvailable(EngineKind::kLibTorch); !status.ok()) GTEST_SKIP() << status;
  if (paths.empty()) GTEST_SKIP() << "no ONNX model is installed in " << model_store::DefaultDirectory();
  const unsigned seed = std::random_device()();
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    const auto engine = LoadEngine(EngineKind::kLibTorch, path, {});
    ASSERT_TRUE(engine.ok()) << engine.status();
    std::vector<Tensor> inputs;
    for (const TensorSpec& spec : (*engine)->inputs()) inputs.push_back(RandomPicture(spec, 1, MostOf(path), random));
    const auto actual = (*engine)->Run(inputs);
    ASSERT_TRUE(actual.ok()) << actual.status();
    const auto expected = LoadAndRun(EngineKind::kOpenVino, path, Precision::kFloat32, inputs);
    ASSERT_TRUE(expected.ok()) << expected.status();
    ASSERT_EQ(actual->size(), expected->size());
    const bool quantized = IsQuantized(path);
    const auto narrow = LoadAndRun(EngineKind::kLibTorch, path, Precision::kBfloat16, inputs);
    ASSERT_TRUE(narrow.ok()) << narrow.status();
    const auto expected_narrow = LoadAndRun(EngineKind::kOpenVino, path, Precision::kBfloat16, inputs);
    ASSERT_TRUE(expected_narrow.ok()) << expected_narrow.status();
    for (size_t i = 0; i < actual->size(); ++i) {
      const Tensor& right = (*expected)[i];
      ASSERT_EQ((*actual)[i].shape(), right.shape());
      if (right.type() != DType::kFloat32) continue;
      const std::string& name = (*engine)->outputs()[i].name;
      const double error = ErrorOf(name, (*actual)[i], right);
      const double narrow_error = ErrorOf(name, (*narrow)[i], right);
      const double their_error = ErrorOf(name, (*expected_narrow)[i], right);
      std::cout << std::filesystem::path(path).filename().string() << " " << name << ": float32 " << error
                << ", bfloat16 " << narrow_error << ", OpenVINO's " << their_error << "\n";
      if (quantized) continue;
      EXPECT_LT(error, name == "detections" ? kScoresError : kFloat32Error) << name;
      // What was chosen from noise by its score is another thing after the least rounding.
      if (name == "detections" || path.find("movenet") != std::string::npos) continue;
      EXPECT_LT(narrow_error, kBfloat16Factor * their_error + kBfloat16Error) << name;
    }
  }
}

}  // namespace
}  // namespace reelsight::inference
