// SPDX-License-Identifier: Apache-2.0
//
// Elementwise arithmetic, comparison and logic of one, two and many operands. See Note [Mixed precision].
#include <ATen/ATen.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {
namespace {

using Unary = at::Tensor (*)(const at::Tensor&);
using Binary = at::Tensor (*)(const at::Tensor&, const at::Tensor&);

// A constant of one element or of one for each channel, in the compute type as well.
struct SmallConstant {
  at::Tensor wide;
  at::Tensor half;

  static SmallConstant From(const OperatorContext& context, size_t input) {
    const at::Tensor constant = context.Constant(input);
    if (!constant.defined() || !constant.is_floating_point() || context.compute_type == at::kFloat) return {};
    const auto sides = constant.sizes();
    if (std::count_if(sides.begin(), sides.end(), [](int64_t side) { return side != 1; }) > 1) return {};
    const at::Tensor wide = constant.to(context.device);
    return {.wide = wide, .half = wide.to(context.compute_type)};
  }
};

// Calls `function` with the small constants in the type of the other operand.
template <typename Function>
absl::StatusOr<Kernel> TwoOperands(const OperatorContext& context, Function function) {
  SmallConstant a = SmallConstant::From(context, 0);
  SmallConstant b = SmallConstant::From(context, 1);
  if (!a.half.defined() && !b.half.defined()) {
    return Single([function](Inputs in) { return function(in[0], in[1]); });
  }
  return Single([function, a = std::move(a), b = std::move(b)](Inputs in) {
    if (a.half.defined() && in[1].scalar_type() == a.half.scalar_type()) in[0] = a.half;
    if (b.half.defined() && in[0].scalar_type() == b.half.scalar_type()) in[1] = b.half;
    return function(in[0], in[1]);
  });
}

// Overwrites an operand that nobody else holds and that has the result's shape and type.
bool HoldsResult(const at::Tensor& to, const at::Tensor& other) {
  if (!Reusable(to) || to.scalar_type() != other.scalar_type() || to.dim() < other.dim()) return false;
  const int64_t more = to.dim() - other.dim();
  for (int64_t axis = 0; axis < other.dim(); ++axis) {
    if (other.size(axis) != 1 && other.size(axis) != to.size(axis + more)) return false;
  }
  return true;
}

at::Tensor Add(at::Tensor& a, at::Tensor& b) {
  if (HoldsResult(a, b)) return a.add_(b);
  if (HoldsResult(b, a)) return b.add_(a);
  return at::add(a, b);
}

at::Tensor Multiply(at::Tensor& a, at::Tensor& b) {
  if (a.scalar_type() == at::kBool) return at::mul(a, b);
  if (HoldsResult(a, b)) return a.mul_(b);
  if (HoldsResult(b, a)) return b.mul_(a);
  return at::mul(a, b);
}

at::Tensor Subtract(at::Tensor& a, at::Tensor& b) { return HoldsResult(a, b) ? a.sub_(b) : at::sub(a, b); }

at::Tensor Divide(at::Tensor& a, at::Tensor& b) {
  if (!a.is_floating_point() && !b.is_floating_point()) return at::div(a, b, "trunc");
  return HoldsResult(a, b) ? a.div_(b) : at::div(a, b);
}

at::Tensor Power(at::Tensor& a, at::Tensor& b) {
  const at::ScalarType type = Widened(a).scalar_type();
  // A power of one number for all is much faster as a number.
  if (b.numel() == 1 && b.device().is_cpu() && b.dim() <= a.dim()) {
    return at::pow(Widened(a), b.item().toDouble()).to(type);
  }
  return at::pow(Widened(a), Widened(b)).to(type);
}

void AddUnary(OperatorTable& table, const char* name, Unary function) {
  table[name] = {.make = [function](const OperatorContext&) -> absl::StatusOr<Kernel> {
    return Single([function](Inputs in) { return function(in[0]); });
  }};
}

// One that gives float32, as a power or a logarithm does.
void AddWideUnary(OperatorTable& table, const char* name, Unary function) {
  table[name] = {.make = [function](const OperatorContext&) -> absl::StatusOr<Kernel> {
    return Single([function](Inputs in) { return function(Widened(in[0])); });
  }};
}

template <typename Function>
void AddBinary(OperatorTable& table, const char* name, Function function) {
  table[name] = {.make = [function](const OperatorContext& context) { return TwoOperands(context, function); },
                 .min_inputs = 2};
}

// One that takes any number of operands, at least one.
void AddVariadic(OperatorTable& table, const char* name, Binary function, bool mean = false) {
  table[name] = {.make = [function, mean](const OperatorContext& context) -> absl::StatusOr<Kernel> {
                   if (context.node.inputs.size() == 2 && !mean) return TwoOperands(context, function);
                   return Single([function, mean](Inputs in) {
                     at::Tensor result = in[0];
                     for (size_t i = 1; i < in.size(); ++i) result = function(result, in[i]);
                     return mean ? at::div(result, static_cast<double>(in.size())) : result;
                   });
                 },
                 .min_inputs = kAllInputs};
}

at::Tensor AddTwo(const at::Tensor& a, const at::Tensor& b) { return at::add(a, b); }
// ATen's maximum takes one type.
at::Tensor Larger(const at::Tensor& a, const at::Tensor& b) {
  const at::ScalarType type = at::result_type(a, b);
  return at::maximum(a.to(type), b.to(type));
}
at::Tensor Smaller(const at::Tensor& a, const at::Tensor& b) {
  const at::ScalarType type = at::result_type(a, b);
  return at::minimum(a.to(type), b.to(type));
}

}  // namespace

void AddElementwiseOperators(OperatorTable& table) {
  AddUnary(table, "Abs", at::abs);
  AddUnary(table, "Neg", at::neg);
  AddUnary(table, "Floor", [](const at::Tensor& x) { return x.is_floating_point() ? at::floor(x) : x; });
  AddUnary(table, "Ceil", [](const at::Tensor& x) { return x.is_floating_point() ? at::ceil(x) : x; });
  // Halves go to the even number, as ONNX says.
  AddUnary(table, "Round", [](const at::Tensor& x) { return at::round(x); });
  AddUnary(table, "Sign", at::sign);
  AddUnary(table, "Erf", at::erf);
  AddUnary(table, "Sin", at::sin);
  AddUnary(table, "Cos", at::cos);
  AddUnary(table, "Sqrt", at::sqrt);
  AddUnary(table, "Not", at::logical_not);
  AddUnary(table, "BitwiseNot", at::bitwise_not);
  AddUnary(table, "IsNaN", at::isnan);
  AddWideUnary(table, "Reciprocal", at::reciprocal);
  AddWideUnary(table, "Exp", at::exp);
  AddWideUnary(table, "Log", at::log);
  AddWideUnary(table, "Tan", at::tan);
  AddWideUnary(table, "Asin", at::asin);
  AddWideUnary(table, "Acos", at::acos);
  AddWideUnary(table, "Atan", at::atan);
  AddWideUnary(table, "Sinh", at::sinh);
  AddWideUnary(table, "Cosh", at::cosh);
  AddWideUnary(table, "Asinh", at::asinh);
  AddWideUnary(table, "Acosh", at::acosh);
  AddWideUnary(table, "Atanh", at::atanh);
  table["IsInf"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    const bool negative = context.Int("detect_negative", 1) != 0;
    const bool positive = context.Int("detect_positive", 1) != 0;
    return Single([negative, positive](Inputs in) {
      at::Tensor found = at::zeros_like(in[0], at::kBool);
      if (negative) found = at::logical_or(found, at::isneginf(in[0]));
      if (positive) found = at::logical_or(found, at::isposinf(in[0]));
      return found;
    });
  }};

  AddBinary(table, "Add", Add);
  AddBinary(table, "Sub", Subtract);
  AddBinary(table, "Mul", Multiply);
  AddBinary(table, "Div", Divide);
  AddBinary(table, "Pow", Power);
  AddBinary(table, "Equal", [](at::Tensor& a, at::Tensor& b) { return at::eq(a, b); });
  AddBinary(table, "Greater", [](at::Tensor& a, at::Tensor& b) { return at::gt(a, b); });
  AddBinary(table, "GreaterOrEqual", [](at::Tensor& a, at::Tensor& b) { return at::ge(a, b); });
  AddBinary(table, "Less", [](at::Tensor& a, at::Tensor& b) { return at::lt(a, b); });
  AddBinary(table, "LessOrEqual", [](at::Tensor& a, at::Tensor& b) { return at::le(a, b); });
  AddBinary(table, "And", [](at::Tensor& a, at::Tensor& b) { return at::logical_and(a, b); });
  AddBinary(table, "Or", [](at::Tensor& a, at::Tensor& b) { return at::logical_or(a, b); });
  AddBinary(table, "Xor", [](at::Tensor& a, at::Tensor& b) { return at::logical_xor(a, b); });
  AddBinary(table, "BitwiseAnd", [](at::Tensor& a, at::Tensor& b) { return at::bitwise_and(a, b); });
  AddBinary(table, "BitwiseOr", [](at::Tensor& a, at::Tensor& b) { return at::bitwise_or(a, b); });
  AddBinary(table, "BitwiseXor", [](at::Tensor& a, at::Tensor& b) { return at::bitwise_xor(a, b); });
  table["Mod"] = {.make =
                      [](const OperatorContext& context) {
                        // fmod takes the dividend's sign, the other one the divisor's.
                        const bool fmod = context.Int("fmod", 0) != 0;
                        return TwoOperands(context, [fmod](at::Tensor& a, at::Tensor& b) {
                          return fmod ? at::fmod(a, b) : at::remainder(a, b);
                        });
                      },
                  .min_inputs = 2};
  AddVariadic(table, "Max", Larger);
  AddVariadic(table, "Min", Smaller);
  AddVariadic(table, "Sum", AddTwo);
  AddVariadic(table, "Mean", AddTwo, true);

  table["Where"] = {.make = [](const OperatorContext&) -> absl::StatusOr<Kernel> {
                      return Single([](Inputs in) { return at::where(in[0], in[1], in[2]); });
                    },
                    .min_inputs = 3};
  table["Cast"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    const at::ScalarType to = ElementType(context.Int("to", 0));
    return Single([to](Inputs in) { return in[0].to(to); });
  }};
  table["CastLike"] = {.make = [](const OperatorContext&) -> absl::StatusOr<Kernel> {
                         return Single([](Inputs in) { return in[0].to(in[1].scalar_type()); });
                       },
                       .min_inputs = 2};
}

}  // namespace reelsight::inference
