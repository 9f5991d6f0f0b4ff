// SPDX-License-Identifier: Apache-2.0
//
// Small ONNX files and random tensors for tests.
#pragma once

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "onnx/onnx-ml.pb.h"
#include "shared/inference/tensor.h"

namespace reelsight::inference {

// A tensor of float32 in [low, high).
Tensor RandomFloats(std::mt19937& random, Shape shape, float low = -1, float high = 1);
// A tensor of int64 in [low, high).
Tensor RandomInts(std::mt19937& random, Shape shape, int64_t low, int64_t high);
Tensor RandomBools(std::mt19937& random, Shape shape);
Tensor Ints(std::vector<int64_t> values);
Tensor Floats(std::vector<float> values);

// One node's attribute.
struct TestAttribute {
  TestAttribute(std::string name, int64_t value);
  TestAttribute(std::string name, int value) : TestAttribute(std::move(name), static_cast<int64_t>(value)) {}
  TestAttribute(std::string name, float value);
  TestAttribute(std::string name, const char* value);
  TestAttribute(std::string name, std::vector<int64_t> values);
  TestAttribute(std::string name, const Tensor& value);

  onnx::AttributeProto proto;
};

// Nodes are added in order; names are made up. The file is valid ONNX.
class TestGraph {
 public:
  explicit TestGraph(int64_t opset = 17);

  // An input that `value` is fed to. If `open`, the file leaves all its sides open.
  std::string Input(const Tensor& value, bool open = false);
  std::string Constant(const Tensor& value);
  // The names of the node's outputs. An empty input is one that is left out.
  std::vector<std::string> Node(const char* op, std::vector<std::string> inputs,
                                std::vector<TestAttribute> attributes = {}, int outputs = 1,
                                const char* domain = nullptr);
  // As Node with one output.
  std::string Add(const char* op, std::vector<std::string> inputs, std::vector<TestAttribute> attributes = {}) {
    return Node(op, std::move(inputs), std::move(attributes))[0];
  }
  void Output(const std::string& name, DType type = DType::kFloat32, int rank = -1);

  // Writes the file and gives its path.
  std::string Save(std::string path) const;
  const std::vector<Tensor>& inputs() const { return inputs_; }
  onnx::ModelProto& proto() { return model_; }

 private:
  onnx::ModelProto model_;
  std::vector<Tensor> inputs_;
  int names_ = 0;
};

}  // namespace reelsight::inference
