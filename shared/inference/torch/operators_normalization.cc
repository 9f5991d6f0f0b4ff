// SPDX-License-Identifier: Apache-2.0
//
// Normalisations. ATen keeps their statistics in float32 whatever the type of what comes in.
#include <ATen/ATen.h>

#include <numeric>

#include "absl/status/status.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {
namespace {

std::optional<at::Tensor> As(const at::Tensor& tensor, at::ScalarType type) {
  return tensor.defined() ? std::optional(tensor.to(type)) : std::nullopt;
}

absl::StatusOr<Kernel> MakeBatchNormalization(const OperatorContext& context) {
  if (context.Int("training_mode", 0) != 0) return absl::UnimplementedError("training_mode of BatchNormalization");
  const double epsilon = context.Float("epsilon", 1e-5F);
  return Single([epsilon](Inputs in) {
    const at::Tensor x = Widened(in[0]);
    return at::batch_norm(x, in[1], in[2], in[3], in[4], false, 0, epsilon, false).to(in[0].scalar_type());
  });
}

absl::StatusOr<Kernel> MakeLayerNormalization(const OperatorContext& context) {
  if (context.node.outputs.size() > 1) return absl::UnimplementedError("the mean as an output of LayerNormalization");
  const int64_t axis = context.Int("axis", -1);
  const double epsilon = context.Float("epsilon", 1e-5F);
  return Single([axis, epsilon](Inputs in) {
    const auto sides = in[0].sizes().slice(static_cast<size_t>(WrapAxis(axis, in[0].dim())));
    const at::ScalarType type = in[0].scalar_type();
    const at::Tensor scale = in[1].to(type);
    if (scale.sizes() == sides) return at::layer_norm(in[0], sides, scale, As(InputOr(in, 2), type), epsilon);
    const at::Tensor y = at::layer_norm(in[0], sides, {}, {}, epsilon).mul(scale);
    return InputOr(in, 2).defined() ? y.add(in[2].to(type)) : y;
  });
}

absl::StatusOr<Kernel> MakeRmsNormalization(const OperatorContext& context) {
  const int64_t axis = context.Int("axis", -1);
  const double epsilon = context.Float("epsilon", 1e-5F);
  return Single([axis, epsilon](Inputs in) {
    const at::Tensor x = Widened(in[0]);
    std::vector<int64_t> axes(static_cast<size_t>(x.dim() - WrapAxis(axis, x.dim())));
    std::iota(axes.begin(), axes.end(), x.dim() - static_cast<int64_t>(axes.size()));
    return at::mul(x * at::rsqrt(at::mean(at::square(x), axes, true) + epsilon), in[1]).to(in[0].scalar_type());
  });
}

absl::StatusOr<Kernel> MakeInstanceNormalization(const OperatorContext& context) {
  const double epsilon = context.Float("epsilon", 1e-5F);
  return Single([epsilon](Inputs in) {
    const at::Tensor y = at::instance_norm(Widened(in[0]), in[1], in[2], {}, {}, true, 0, epsilon, false);
    return y.to(in[0].scalar_type());
  });
}

absl::StatusOr<Kernel> MakeGroupNormalization(const OperatorContext& context) {
  const int64_t groups = context.Int("num_groups", 1);
  const double epsilon = context.Float("epsilon", 1e-5F);
  if (groups < 1) return absl::InvalidArgumentError("num_groups must be at least 1");
  return Single([groups, epsilon](Inputs in) {
    const at::Tensor x = Widened(in[0]);
    // Before opset 21 scale and bias were per group.
    if (in[1].numel() == x.size(1)) {
      return at::group_norm(x, groups, in[1], in[2], epsilon, false).to(in[0].scalar_type());
    }
    const int64_t each = x.size(1) / groups;
    return at::group_norm(x, groups, in[1].repeat_interleave(each), in[2].repeat_interleave(each), epsilon, false)
        .to(in[0].scalar_type());
  });
}

absl::StatusOr<Kernel> MakeLrn(const OperatorContext& context) {
  const int64_t size = context.Int("size", 1);
  const double alpha = context.Float("alpha", 1e-4F);
  const double beta = context.Float("beta", 0.75F);
  const double bias = context.Float("bias", 1);
  return Single([size, alpha, beta, bias](Inputs in) {
    const at::Tensor x = Widened(in[0]);
    // Sums of squares over `size` channels around each.
    const int64_t before = (size - 1) / 2;
    std::vector<int64_t> pads(static_cast<size_t>(2 * (x.dim() - 1)), 0);
    pads[pads.size() - 2] = before;
    pads[pads.size() - 1] = size - 1 - before;
    const at::Tensor sums = at::constant_pad_nd(at::square(x), pads, 0).unfold(1, size, 1).sum(-1);
    return (x / at::pow(sums * (alpha / static_cast<double>(size)) + bias, beta)).to(in[0].scalar_type());
  });
}

absl::StatusOr<Kernel> MakeLpNormalization(const OperatorContext& context) {
  const int64_t axis = context.Int("axis", -1);
  const auto p = static_cast<double>(context.Int("p", 2));
  return Single([axis, p](Inputs in) {
    const at::Tensor x = Widened(in[0]);
    const at::Tensor norm = at::norm(x, p, {WrapAxis(axis, x.dim())}, true);
    return at::where(norm == 0, at::zeros_like(x), x / norm);
  });
}

absl::StatusOr<Kernel> MakeMeanVarianceNormalization(const OperatorContext& context) {
  std::vector<int64_t> axes = context.Ints("axes");
  if (axes.empty()) axes = {0, 2, 3};
  return Single([axes](Inputs in) {
    const at::Tensor x = Widened(in[0]);
    const at::Tensor centred = x - at::mean(x, axes, true);
    return centred / (at::sqrt(at::mean(at::square(centred), axes, true)) + 1e-9);
  });
}

}  // namespace

void AddNormalizationOperators(OperatorTable& table) {
  table["BatchNormalization"] = {.make = MakeBatchNormalization, .min_inputs = 5};
  table["LayerNormalization"] = {.make = MakeLayerNormalization, .min_inputs = 2};
  table["RMSNormalization"] = {.make = MakeRmsNormalization, .min_inputs = 2};
  table["InstanceNormalization"] = {.make = MakeInstanceNormalization, .min_inputs = 3};
  table["GroupNormalization"] = {.make = MakeGroupNormalization, .min_inputs = 3};
  table["LRN"] = {.make = MakeLrn};
  table["LpNormalization"] = {.make = MakeLpNormalization};
  table["MeanVarianceNormalization"] = {.make = MakeMeanVarianceNormalization};
}

}  // namespace reelsight::inference
