// SPDX-License-Identifier: Apache-2.0
//
// QuantizeLinear and its like, computed in float32: models with them run and round where they say, but gain no speed.
#include <ATen/ATen.h>

#include <limits>

#include "absl/status/status.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {
namespace {

// Scales of one axis as factors for `x`.
at::Tensor AlongAxis(const at::Tensor& values, const at::Tensor& x, int64_t axis) {
  if (values.numel() == 1) return values.reshape({});
  std::vector<int64_t> sides(static_cast<size_t>(x.dim()), 1);
  sides[static_cast<size_t>(WrapAxis(axis, x.dim()))] = -1;
  return values.reshape(sides);
}

at::Tensor Saturated(const at::Tensor& x, at::ScalarType type) {
  if (type == at::kChar) return x.clamp(-128, 127).to(type);
  if (type == at::kShort) return x.clamp(-32768, 32767).to(type);
  return x.clamp(0, 255).to(at::kByte);
}

absl::StatusOr<Kernel> MakeQuantize(const OperatorContext& context) {
  if (context.Int("block_size", 0) != 0) return absl::UnimplementedError("blocks of QuantizeLinear");
  const int64_t axis = context.Int("axis", 1);
  const int64_t wanted = context.Int("output_dtype", 0);
  const at::ScalarType type = wanted == 0 ? at::kByte : ElementType(wanted);
  return Single([axis, type](Inputs in) {
    const at::Tensor zero = InputOr(in, 2);
    at::Tensor y = at::round(in[0].to(at::kFloat) / AlongAxis(in[1].to(at::kFloat), in[0], axis));
    if (zero.defined()) y = y + AlongAxis(zero.to(at::kFloat), in[0], axis);
    return Saturated(y, zero.defined() ? zero.scalar_type() : type);
  });
}

absl::StatusOr<Kernel> MakeDequantize(const OperatorContext& context) {
  if (context.Int("block_size", 0) != 0) return absl::UnimplementedError("blocks of DequantizeLinear");
  const int64_t axis = context.Int("axis", 1);
  return Single([axis](Inputs in) {
    at::Tensor x = in[0].to(at::kFloat);
    if (InputOr(in, 2).defined()) x = x - AlongAxis(in[2].to(at::kFloat), x, axis);
    return x * AlongAxis(in[1].to(at::kFloat), x, axis);
  });
}

absl::StatusOr<Kernel> MakeDynamicQuantize(const OperatorContext&) {
  return Kernel([](Inputs in, Outputs& out) {
    const at::Tensor x = in[0].to(at::kFloat);
    const at::Tensor low = at::clamp_max(x.min(), 0);
    const at::Tensor scale = (at::clamp_min(x.max(), 0) - low) / 255;
    const at::Tensor zero = at::round(-low / scale).clamp(0, 255);
    out.push_back(Saturated(at::round(x / scale) + zero, at::kByte));
    out.push_back(scale);
    out.push_back(zero.to(at::kByte));
  });
}

}  // namespace

void AddQuantizationOperators(OperatorTable& table) {
  table["QuantizeLinear"] = {.make = MakeQuantize, .min_inputs = 2};
  table["DequantizeLinear"] = {.make = MakeDequantize, .min_inputs = 2};
  table["DynamicQuantizeLinear"] = {.make = MakeDynamicQuantize};
}

}  // namespace reelsight::inference
