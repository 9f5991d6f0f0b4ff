// SPDX-License-Identifier: Apache-2.0
//
// Random graphs run by both engines. OpenVINO is the reference. Both compute in float32 and differ by the order of
// their sums: a result may be off by 1e-4 of the largest one (a sum of a thousand products of numbers near 1 errs by
// about 1e-5 of it).
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "shared/inference/torch/onnx_graph_test_support.h"

namespace reelsight::inference {

using Random = std::mt19937;

// In [low, high].
int64_t Pick(Random& random, int64_t low, int64_t high);
template <typename T>
T OneOf(Random& random, std::vector<T> choices) {
  return choices[static_cast<size_t>(Pick(random, 0, static_cast<int64_t>(choices.size()) - 1))];
}
// Sides of 1 to 6.
Shape AnyShape(Random& random, int64_t rank);

struct Case {
  std::string name;
  std::function<void(Random&, TestGraph&)> build;
  int64_t opset = 17;
};

// Each case some times, with a printed seed. Skips, saying so, where there is no LibTorch engine. All cases are one
// test: loading two engines' libraries takes longer than most of them.
void ExpectParity(const std::vector<Case>& cases);

// Types and shapes are equal, numbers within `tolerance` times the largest expected one.
void ExpectClose(const Tensor& actual, const Tensor& expected, double tolerance);

}  // namespace reelsight::inference
