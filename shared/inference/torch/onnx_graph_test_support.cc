// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/torch/onnx_graph_test_support.h"

#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace reelsight::inference {
namespace {

int OnnxType(DType type) {
  switch (type) {
    case DType::kFloat32:
      return onnx::TensorProto::FLOAT;
    case DType::kFloat16:
      return onnx::TensorProto::FLOAT16;
    case DType::kUint8:
      return onnx::TensorProto::UINT8;
    case DType::kInt32:
      return onnx::TensorProto::INT32;
    case DType::kInt64:
      return onnx::TensorProto::INT64;
    case DType::kBool:
      return onnx::TensorProto::BOOL;
  }
  return 0;
}

void Fill(onnx::TensorProto& proto, const Tensor& value) {
  proto.set_data_type(OnnxType(value.type()));
  for (const int64_t side : value.shape()) proto.add_dims(side);
  proto.set_raw_data(value.raw(), static_cast<size_t>(value.bytes()));
}

}  // namespace

Tensor RandomFloats(std::mt19937& random, Shape shape, float low, float high) {
  Tensor tensor(DType::kFloat32, std::move(shape));
  std::uniform_real_distribution<float> range(low, high);
  for (float& value : tensor.mutable_values<float>()) value = range(random);
  return tensor;
}

Tensor RandomInts(std::mt19937& random, Shape shape, int64_t low, int64_t high) {
  Tensor tensor(DType::kInt64, std::move(shape));
  std::uniform_int_distribution<int64_t> range(low, high - 1);
  for (int64_t& value : tensor.mutable_values<int64_t>()) value = range(random);
  return tensor;
}

Tensor RandomBools(std::mt19937& random, Shape shape) {
  Tensor tensor(DType::kBool, std::move(shape));
  for (bool& value : tensor.mutable_values<bool>()) value = (random() & 1U) != 0;
  return tensor;
}

Tensor Ints(std::vector<int64_t> values) {
  Tensor tensor(DType::kInt64, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), tensor.mutable_values<int64_t>().begin());
  return tensor;
}

Tensor Floats(std::vector<float> values) {
  Tensor tensor(DType::kFloat32, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), tensor.mutable_values<float>().begin());
  return tensor;
}

TestAttribute::TestAttribute(std::string name, int64_t value) {
  proto.set_name(std::move(name));
  proto.set_type(onnx::AttributeProto::INT);
  proto.set_i(value);
}

TestAttribute::TestAttribute(std::string name, float value) {
  proto.set_name(std::move(name));
  proto.set_type(onnx::AttributeProto::FLOAT);
  proto.set_f(value);
}

TestAttribute::TestAttribute(std::string name, const char* value) {
  proto.set_name(std::move(name));
  proto.set_type(onnx::AttributeProto::STRING);
  proto.set_s(value);
}

TestAttribute::TestAttribute(std::string name, std::vector<int64_t> values) {
  proto.set_name(std::move(name));
  proto.set_type(onnx::AttributeProto::INTS);
  for (const int64_t value : values) proto.add_ints(value);
}

TestAttribute::TestAttribute(std::string name, const Tensor& value) {
  proto.set_name(std::move(name));
  proto.set_type(onnx::AttributeProto::TENSOR);
  Fill(*proto.mutable_t(), value);
}

TestGraph::TestGraph(int64_t opset) {
  model_.set_ir_version(8);
  model_.add_opset_import()->set_version(opset);
  model_.mutable_graph()->set_name("test");
}

std::string TestGraph::Input(const Tensor& value, bool open) {
  const std::string name = absl::StrCat("input", inputs_.size());
  onnx::ValueInfoProto& input = *model_.mutable_graph()->add_input();
  input.set_name(name);
  auto& type = *input.mutable_type()->mutable_tensor_type();
  type.set_elem_type(OnnxType(value.type()));
  type.mutable_shape();
  for (const int64_t side : value.shape()) {
    auto& dim = *type.mutable_shape()->add_dim();
    if (open) {
      dim.set_dim_param(absl::StrCat("side", names_++));
    } else {
      dim.set_dim_value(side);
    }
  }
  inputs_.push_back(value);
  return name;
}

std::string TestGraph::Constant(const Tensor& value) {
  onnx::TensorProto& constant = *model_.mutable_graph()->add_initializer();
  constant.set_name(absl::StrCat("constant", names_++));
  Fill(constant, value);
  return constant.name();
}

std::vector<std::string> TestGraph::Node(const char* op, std::vector<std::string> inputs,
                                         std::vector<TestAttribute> attributes, int outputs, const char* domain) {
  onnx::NodeProto& node = *model_.mutable_graph()->add_node();
  node.set_op_type(op);
  node.set_name(absl::StrCat("node", names_++));
  if (domain != nullptr) node.set_domain(domain);
  for (std::string& input : inputs) node.add_input(std::move(input));
  for (TestAttribute& attribute : attributes) *node.add_attribute() = std::move(attribute.proto);
  std::vector<std::string> names;
  for (int i = 0; i < outputs; ++i) {
    names.push_back(absl::StrCat("value", names_++));
    node.add_output(names.back());
  }
  return names;
}

void TestGraph::Output(const std::string& name, DType type, int rank) {
  onnx::ValueInfoProto& output = *model_.mutable_graph()->add_output();
  output.set_name(name);
  auto& tensor = *output.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(OnnxType(type));
  for (int i = 0; i < rank; ++i) tensor.mutable_shape()->add_dim()->set_dim_param(absl::StrCat("out", names_++));
}

std::string TestGraph::Save(std::string path) const {
  std::ofstream(path, std::ios::binary) << model_.SerializeAsString();
  return path;
}

}  // namespace reelsight::inference
