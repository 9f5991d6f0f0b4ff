// SPDX-License-Identifier: Apache-2.0
//
// Matrix products.
#include <ATen/ATen.h>

#include <algorithm>
#include <cctype>

#include "absl/status/status.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {
namespace {

// A constant operand in the compute type on the device, or undefined.
at::Tensor Prepared(const OperatorContext& context, size_t input, at::ScalarType type) {
  const at::Tensor constant = context.Constant(input);
  const bool usable = constant.defined() && constant.scalar_type() == at::kFloat;
  return usable ? constant.to(type).contiguous().to(context.device) : at::Tensor();
}

// Integers are multiplied as integers.
at::ScalarType ProductType(const at::Tensor& a, const at::Tensor& b, at::ScalarType compute_type) {
  if (!a.is_floating_point() || !b.is_floating_point()) return at::result_type(a, b);
  return a.scalar_type() == at::kDouble ? at::kDouble : compute_type;
}

absl::StatusOr<Kernel> MakeMatMul(const OperatorContext& context) {
  const at::ScalarType type = context.compute_type;
  return Single([type, a = Prepared(context, 0, type), b = Prepared(context, 1, type)](Inputs in) {
    const at::Tensor& left = a.defined() ? a : in[0];
    const at::Tensor& right = b.defined() ? b : in[1];
    const at::ScalarType product = ProductType(left, right, type);
    return at::matmul(left.to(product), right.to(product));
  });
}

absl::StatusOr<Kernel> MakeGemm(const OperatorContext& context) {
  const float alpha = context.Float("alpha", 1);
  const float beta = context.Float("beta", 1);
  const bool transpose_a = context.Int("transA", 0) != 0;
  const bool transpose_b = context.Int("transB", 0) != 0;
  const bool has_bias = context.HasInput(2) && beta != 0;
  const at::ScalarType type = context.compute_type;
  return Single([alpha, beta, transpose_a, transpose_b, has_bias, type, weight = Prepared(context, 1, type),
                 bias = Prepared(context, 2, type)](Inputs in) {
    const at::Tensor a = in[0].to(type);
    const at::Tensor b = weight.defined() ? weight : in[1].to(type);
    const at::Tensor left = transpose_a ? a.t() : a;
    const at::Tensor right = transpose_b ? b.t() : b;
    if (!has_bias) {
      const at::Tensor product = at::mm(left, right);
      return alpha == 1 ? product : product.mul_(alpha);
    }
    return at::addmm(bias.defined() ? bias : in[2].to(type), left, right, beta, alpha);
  });
}

absl::StatusOr<Kernel> MakeEinsum(const OperatorContext& context) {
  std::string equation = context.String("equation", "");
  std::erase_if(equation, [](unsigned char c) { return std::isspace(c) != 0; });
  const at::ScalarType type = context.compute_type;
  return Single([equation, type](Inputs in) {
    std::vector<at::Tensor> operands;
    for (const at::Tensor& tensor : in) operands.push_back(tensor.is_floating_point() ? tensor.to(type) : tensor);
    return at::einsum(equation, operands);
  });
}

}  // namespace

void AddMatrixOperators(OperatorTable& table) {
  table["MatMul"] = {.make = MakeMatMul, .min_inputs = 2, .kept_inputs = 0b11};
  table["Gemm"] = {.make = MakeGemm, .min_inputs = 2, .kept_inputs = 0b110};
  table["Einsum"] = {.make = MakeEinsum, .min_inputs = kAllInputs};
}

}  // namespace reelsight::inference
