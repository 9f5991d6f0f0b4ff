// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/torch/operator.h"

#include <ATen/ATen.h>

#include <variant>

#include "onnx/onnx-ml.pb.h"

namespace reelsight::inference {
namespace {

template <typename T>
const T* Find(const Node& node, const char* attribute) {
  const auto found = node.attributes.find(attribute);
  return found == node.attributes.end() ? nullptr : std::get_if<T>(&found->second);
}

}  // namespace

int64_t OperatorContext::Int(const char* attribute, int64_t otherwise) const {
  const auto* value = Find<int64_t>(node, attribute);
  return value != nullptr ? *value : otherwise;
}

float OperatorContext::Float(const char* attribute, float otherwise) const {
  const auto* value = Find<float>(node, attribute);
  return value != nullptr ? *value : otherwise;
}

std::string OperatorContext::String(const char* attribute, const char* otherwise) const {
  const auto* value = Find<std::string>(node, attribute);
  return value != nullptr ? *value : otherwise;
}

std::vector<int64_t> OperatorContext::Ints(const char* attribute) const {
  const auto* value = Find<std::vector<int64_t>>(node, attribute);
  return value != nullptr ? *value : std::vector<int64_t>();
}

const OperatorTable& Operators() {
  static const auto& table = *[] {
    auto* made = new OperatorTable();
    AddConvolutionOperators(*made);
    AddPoolingOperators(*made);
    AddElementwiseOperators(*made);
    AddActivationOperators(*made);
    AddMatrixOperators(*made);
    AddReductionOperators(*made);
    AddNormalizationOperators(*made);
    AddShapeOperators(*made);
    AddSizeOperators(*made);
    AddIndexingOperators(*made);
    AddResizeOperators(*made);
    AddRecurrentOperators(*made);
    AddSelectionOperators(*made);
    AddQuantizationOperators(*made);
    return made;
  }();
  return table;
}

bool Reusable(const at::Tensor& tensor) {
  return tensor.use_count() == 1 && tensor.has_storage() && tensor.storage().use_count() == 1 &&
         tensor.is_non_overlapping_and_dense();
}

std::vector<int64_t> ToInts(const at::Tensor& tensor) {
  const at::Tensor host = tensor.to(at::kCPU, at::kLong).contiguous();
  const auto* data = host.const_data_ptr<int64_t>();
  return {data, data + host.numel()};
}

std::vector<double> ToDoubles(const at::Tensor& tensor) {
  const at::Tensor host = tensor.to(at::kCPU, at::kDouble).contiguous();
  const auto* data = host.const_data_ptr<double>();
  return {data, data + host.numel()};
}

bool IsHalf(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kHalf || tensor.scalar_type() == at::kBFloat16;
}

at::Tensor Widened(const at::Tensor& tensor) { return IsHalf(tensor) ? tensor.to(at::kFloat) : tensor; }

int64_t WrapAxis(int64_t axis, int64_t rank) {
  TORCH_CHECK(axis >= -rank && axis < std::max<int64_t>(rank, 1), "axis ", axis, " of a tensor of rank ", rank);
  return axis < 0 ? axis + rank : axis;
}

std::vector<int64_t> WrapAxes(std::vector<int64_t> axes, int64_t rank) {
  for (int64_t& axis : axes) axis = WrapAxis(axis, rank);
  return axes;
}

at::ScalarType ElementType(int64_t onnx_type) {
  switch (onnx_type) {
    case onnx::TensorProto::FLOAT:
    case onnx::TensorProto::FLOAT16:
    case onnx::TensorProto::BFLOAT16:
      return at::kFloat;
    case onnx::TensorProto::DOUBLE:
      return at::kDouble;
    case onnx::TensorProto::UINT8:
      return at::kByte;
    case onnx::TensorProto::INT8:
      return at::kChar;
    case onnx::TensorProto::INT16:
      return at::kShort;
    case onnx::TensorProto::INT32:
      return at::kInt;
    case onnx::TensorProto::INT64:
      return at::kLong;
    case onnx::TensorProto::BOOL:
      return at::kBool;
    default:
      TORCH_CHECK(false, "elements of ONNX type ", onnx_type, " are not supported");
  }
}

}  // namespace reelsight::inference
