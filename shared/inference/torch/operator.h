// SPDX-License-Identifier: Apache-2.0
//
// How operators of ONNX become calls of ATen: a table from an operator's name to a factory, which looks at a node's
// attributes and constants once, at load, and makes the kernel that every run calls.
//
// Note [Mixed precision]: with a 16-bit compute type, convolutions, matrix products and recurrent layers take and give
// that type; softmax, powers, exponentials, logarithms and sums compute and give float32; everything else keeps the
// type of what comes in, and where types meet the wider one wins, but constants of one element, or of one for each
// channel, follow the other operand. These are the rules of PyTorch's autocast. What is made of constants and shapes
// alone (anchors, positions) stays float32. Convolutions of one output channel, which are cheap and often make
// coordinates, compute in float32.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/SmallVector.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/inference/torch/graph.h"

namespace reelsight::inference {

// A run's values for one node; undefined where an optional one is left out. A kernel owns them: one that nobody else
// holds may be overwritten, see Reusable.
using Inputs = std::span<at::Tensor>;
using Outputs = c10::SmallVector<at::Tensor, 2>;
// Thread-safe. Throws what ATen throws.
using Kernel = std::function<void(Inputs, Outputs&)>;

// What a factory sees.
class OperatorContext {
 public:
  OperatorContext(const Node& node, int64_t opset, std::vector<at::Tensor> constants, at::Device device,
                  at::ScalarType compute_type)
      : node(node), opset(opset), device(device), compute_type(compute_type), constants_(std::move(constants)) {}

  bool HasInput(size_t i) const { return i < node.inputs.size() && !node.inputs[i].empty(); }
  // Input `i` if it is known at load, on the host; undefined otherwise.
  at::Tensor Constant(size_t i) const { return i < constants_.size() ? constants_[i] : at::Tensor(); }

  bool Has(const char* attribute) const { return node.attributes.contains(attribute); }
  int64_t Int(const char* attribute, int64_t otherwise) const;
  float Float(const char* attribute, float otherwise) const;
  std::string String(const char* attribute, const char* otherwise) const;
  std::vector<int64_t> Ints(const char* attribute) const;

  const Node& node;
  const int64_t opset;
  const at::Device device;
  // float32, or the 16-bit type of Note [Mixed precision].
  const at::ScalarType compute_type;

 private:
  const std::vector<at::Tensor> constants_;
};

inline constexpr int kAllInputs = -1;

struct OperatorDef {
  // UNIMPLEMENTED or INVALID_ARGUMENT for attributes that it cannot serve; the caller adds node and file.
  std::function<absl::StatusOr<Kernel>(const OperatorContext&)> make;
  // Inputs that must be there, the first ones; kAllInputs: every one that the node names, and at least one.
  int min_inputs = 1;
  // Inputs that say sizes, axes or positions and are read on the host, one bit each.
  uint32_t host_inputs = 0;
  // Inputs that the kernel keeps in its own form if they are float32 constants, and then does not read: one bit each.
  uint32_t kept_inputs = 0;
  // The output's shape depends on values of inputs that are not host inputs.
  bool data_dependent_shape = false;
};

using OperatorTable = std::unordered_map<std::string, OperatorDef>;

// All operators of ONNX's own domain that there are.
const OperatorTable& Operators();

void AddConvolutionOperators(OperatorTable& table);
void AddPoolingOperators(OperatorTable& table);
void AddElementwiseOperators(OperatorTable& table);
void AddActivationOperators(OperatorTable& table);
void AddMatrixOperators(OperatorTable& table);
void AddReductionOperators(OperatorTable& table);
void AddNormalizationOperators(OperatorTable& table);
void AddShapeOperators(OperatorTable& table);
void AddSizeOperators(OperatorTable& table);
void AddIndexingOperators(OperatorTable& table);
void AddResizeOperators(OperatorTable& table);
void AddRecurrentOperators(OperatorTable& table);
void AddSelectionOperators(OperatorTable& table);
void AddQuantizationOperators(OperatorTable& table);

// A kernel of one output.
template <typename Function>
Kernel Single(Function function) {
  return [function = std::move(function)](Inputs inputs, Outputs& outputs) { outputs.push_back(function(inputs)); };
}

// Input `i`, or undefined if there are fewer.
inline at::Tensor InputOr(Inputs inputs, size_t i) { return i < inputs.size() ? inputs[i] : at::Tensor(); }
// True if nobody else sees the elements of `tensor`, so that a kernel may overwrite them.
bool Reusable(const at::Tensor& tensor);
// A tensor's elements on the host.
std::vector<int64_t> ToInts(const at::Tensor& tensor);
std::vector<double> ToDoubles(const at::Tensor& tensor);
// float16 and bfloat16 to float32; everything else as it is.
at::Tensor Widened(const at::Tensor& tensor);
bool IsHalf(const at::Tensor& tensor);
// `axis` counted from the front; throws if there is none such.
int64_t WrapAxis(int64_t axis, int64_t rank);
std::vector<int64_t> WrapAxes(std::vector<int64_t> axes, int64_t rank);
// ATen's type for a number of TensorProto.DataType; 16-bit floats are float32. Throws for one that is not supported.
at::ScalarType ElementType(int64_t onnx_type);

}  // namespace reelsight::inference
