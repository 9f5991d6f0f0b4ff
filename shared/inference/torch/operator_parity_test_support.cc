// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/torch/operator_parity_test_support.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "shared/inference/engine_factory.h"
#include "shared/testing/scratch_folder.h"

namespace reelsight::inference {
namespace {

constexpr double kTolerance = 1e-4;
// Variants of each graph.
constexpr int kRounds = 3;

std::vector<double> Values(const Tensor& tensor) {
  std::vector<double> values;
  const auto copy = [&](auto elements) { values.assign(elements.begin(), elements.end()); };
  switch (tensor.type()) {
    case DType::kFloat32:
      copy(tensor.values<float>());
      break;
    case DType::kInt64:
      copy(tensor.values<int64_t>());
      break;
    case DType::kInt32:
      copy(tensor.values<int32_t>());
      break;
    default:
      copy(tensor.values<uint8_t>());
  }
  return values;
}

}  // namespace

int64_t Pick(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

Shape AnyShape(Random& random, int64_t rank) {
  Shape shape;
  for (int64_t i = 0; i < rank; ++i) shape.push_back(Pick(random, 1, 6));
  return shape;
}

void ExpectClose(const Tensor& actual, const Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.type(), expected.type());
  ASSERT_EQ(actual.shape(), expected.shape());
  const std::vector<double> a = Values(actual);
  const std::vector<double> e = Values(expected);
  double largest = 1e-3;
  for (const double value : e) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(e[i]) && std::isnan(a[i])) continue;
    if (a[i] == e[i]) continue;
    ASSERT_NEAR(a[i], e[i], tolerance * largest) << "element " << i;
  }
}

namespace {

void RunCase(const Case& test_case, unsigned seed) {
  Random random(seed);
  const testing::ScratchFolder folder;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(absl::StrCat(test_case.name, " seed ", seed, " round ", round));
    TestGraph graph(test_case.opset);
    test_case.build(random, graph);
    const std::string path = graph.Save(folder / "graph.onnx");
    const auto reference = LoadEngine(EngineKind::kOpenVino, path, {});
    ASSERT_TRUE(reference.ok()) << reference.status();
    const auto ours = LoadEngine(EngineKind::kLibTorch, path, {});
    ASSERT_TRUE(ours.ok()) << ours.status();
    const auto expected = (*reference)->Run(graph.inputs());
    ASSERT_TRUE(expected.ok()) << expected.status();
    // Twice: the first run also finds what follows from the shapes, the second one reads it.
    for (int run = 0; run < 2; ++run) {
      const auto actual = (*ours)->Run(graph.inputs());
      ASSERT_TRUE(actual.ok()) << actual.status();
      ASSERT_EQ(actual->size(), expected->size());
      for (size_t i = 0; i < actual->size(); ++i) ExpectClose((*actual)[i], (*expected)[i], kTolerance);
    }
    if (::testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace

void ExpectParity(const std::vector<Case>& cases) {
  if (const absl::Status status = EngineAvailable(EngineKind::kLibTorch); !status.ok()) GTEST_SKIP() << status;
  const unsigned seed = std::random_device()();
  std::cout << "seed " << seed << "\n";
  for (const Case& test_case : cases) RunCase(test_case, seed);
}

}  // namespace reelsight::inference
