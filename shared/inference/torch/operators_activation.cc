// SPDX-License-Identifier: Apache-2.0
//
// Activations. They overwrite their input where nobody else holds it.
#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {
namespace {

using Fresh = at::Tensor (*)(const at::Tensor&);
using InPlace = at::Tensor& (*)(at::Tensor&);

void AddActivation(OperatorTable& table, const char* name, Fresh fresh, InPlace in_place) {
  table[name] = {.make = [fresh, in_place](const OperatorContext&) -> absl::StatusOr<Kernel> {
    return Single([fresh, in_place](Inputs in) { return Reusable(in[0]) ? in_place(in[0]) : fresh(in[0]); });
  }};
}

absl::StatusOr<Kernel> MakeClip(const OperatorContext& context) {
  const auto bound = [&](size_t input, const char* attribute) -> std::optional<at::Scalar> {
    if (context.opset < 11) {
      if (!context.Has(attribute)) return std::nullopt;
      return at::Scalar(context.Float(attribute, 0));
    }
    const at::Tensor constant = context.Constant(input);
    if (!constant.defined()) return std::nullopt;
    return constant.item();
  };
  const std::optional<at::Scalar> low = bound(1, "min");
  const std::optional<at::Scalar> high = bound(2, "max");
  const bool known = (!context.HasInput(1) || low.has_value()) && (!context.HasInput(2) || high.has_value());
  if (known && !low.has_value() && !high.has_value()) return Single([](Inputs in) { return in[0]; });
  if (known) {
    return Single([low, high](Inputs in) {
      if (Reusable(in[0])) return at::clamp_(in[0], low, high);
      return at::clamp(in[0], low, high);
    });
  }
  return Single([](Inputs in) {
    at::Tensor x = in[0];
    if (InputOr(in, 1).defined()) x = at::maximum(x, in[1].to(x.scalar_type()));
    if (InputOr(in, 2).defined()) x = at::minimum(x, in[2].to(x.scalar_type()));
    return x;
  });
}

absl::StatusOr<Kernel> MakeHardSigmoid(const OperatorContext& context) {
  const float alpha = context.Float("alpha", 0.2F);
  const float beta = context.Float("beta", 0.5F);
  return Single([alpha, beta](Inputs in) {
    at::Tensor y = Reusable(in[0]) ? in[0].mul_(alpha) : at::mul(in[0], alpha);
    return y.add_(beta).clamp_(0, 1);
  });
}

absl::StatusOr<Kernel> MakeGelu(const OperatorContext& context) {
  const std::string approximate = context.String("approximate", "none");
  return Single([approximate](Inputs in) { return at::gelu(in[0], approximate); });
}

absl::StatusOr<Kernel> MakePRelu(const OperatorContext&) {
  return Single([](Inputs in) {
    const at::Tensor slope = in[1].to(in[0].scalar_type());
    return at::where(in[0] < 0, in[0] * slope, in[0]);
  });
}

// Before opset 13 softmax looked at all axes from `axis` on as one.
template <typename Function>
absl::StatusOr<Kernel> MakeSoftmax(const OperatorContext& context, Function function) {
  const bool flat = context.opset < 13;
  const int64_t axis = context.Int("axis", flat ? 1 : -1);
  return Single([flat, axis, function](Inputs in) {
    const at::Tensor x = Widened(in[0]);
    const int64_t along = WrapAxis(axis, x.dim());
    if (!flat || along == x.dim() - 1) return function(x, along);
    return function(x.flatten(along), along).reshape(x.sizes());
  });
}

}  // namespace

void AddActivationOperators(OperatorTable& table) {
  AddActivation(table, "Relu", at::relu, at::relu_);
  AddActivation(table, "Sigmoid", at::sigmoid, at::sigmoid_);
  AddActivation(table, "Tanh", at::tanh, at::tanh_);
  AddActivation(table, "HardSwish", at::hardswish, at::hardswish_);
  AddActivation(table, "Mish", at::mish, at::mish_);
  // Made by the rewriter of x * Sigmoid(x), and an operator of its own from opset 24 on with alpha 1.
  AddActivation(table, "Silu", at::silu, at::silu_);
  table["Swish"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    const float alpha = context.Float("alpha", 1);
    return Single([alpha](Inputs in) { return at::mul(in[0], at::sigmoid(at::mul(in[0], alpha))); });
  }};
  table["HardSigmoid"] = {.make = MakeHardSigmoid};
  table["Gelu"] = {.make = MakeGelu};
  table["PRelu"] = {.make = MakePRelu, .min_inputs = 2};
  table["Clip"] = {.make = MakeClip};
  table["LeakyRelu"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    const float alpha = context.Float("alpha", 0.01F);
    return Single(
        [alpha](Inputs in) { return Reusable(in[0]) ? at::leaky_relu_(in[0], alpha) : at::leaky_relu(in[0], alpha); });
  }};
  table["Elu"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    const float alpha = context.Float("alpha", 1);
    return Single([alpha](Inputs in) { return at::elu(in[0], alpha); });
  }};
  table["Selu"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    const float alpha = context.Float("alpha", 1.67326319217681884765625F);
    const float gamma = context.Float("gamma", 1.05070102214813232421875F);
    return Single([alpha, gamma](Inputs in) { return at::elu(in[0], alpha, gamma); });
  }};
  table["Celu"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    const float alpha = context.Float("alpha", 1);
    return Single([alpha](Inputs in) { return at::celu(in[0], alpha); });
  }};
  table["ThresholdedRelu"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    const float alpha = context.Float("alpha", 1);
    return Single([alpha](Inputs in) { return at::threshold(in[0], alpha, 0); });
  }};
  table["Shrink"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    const float bias = context.Float("bias", 0);
    const float lambda = context.Float("lambd", 0.5F);
    return Single([bias, lambda](Inputs in) {
      const at::Tensor& x = in[0];
      return at::where(x < -lambda, x + bias, at::where(x > lambda, x - bias, at::zeros_like(x)));
    });
  }};
  table["Softplus"] = {.make = [](const OperatorContext&) -> absl::StatusOr<Kernel> {
    return Single([](Inputs in) { return at::softplus(Widened(in[0])); });
  }};
  table["Softsign"] = {.make = [](const OperatorContext&) -> absl::StatusOr<Kernel> {
    return Single([](Inputs in) { return at::div(in[0], at::add(at::abs(in[0]), 1)); });
  }};
  table["Softmax"] = {.make = [](const OperatorContext& context) {
    return MakeSoftmax(context, [](const at::Tensor& x, int64_t axis) { return at::softmax(x, axis); });
  }};
  table["LogSoftmax"] = {.make = [](const OperatorContext& context) {
    return MakeSoftmax(context, [](const at::Tensor& x, int64_t axis) { return at::log_softmax(x, axis); });
  }};
  table["Hardmax"] = {.make = [](const OperatorContext& context) {
    return MakeSoftmax(context, [](const at::Tensor& x, int64_t axis) {
      return at::zeros_like(x).scatter(axis, at::argmax(x, axis, true), 1);
    });
  }};
}

}  // namespace reelsight::inference
