// SPDX-License-Identifier: Apache-2.0
//
// Shapes as values, and tensors made from shapes.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <variant>

#include "absl/status/status.h"
#include "shared/base/status.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {
namespace {

absl::StatusOr<Kernel> MakeShape(const OperatorContext& context) {
  const int64_t start = context.Int("start", 0);
  const int64_t end = context.Int("end", INT64_MAX);
  const at::Device device = context.device;
  return Single([start, end, device](Inputs in) {
    const int64_t rank = in[0].dim();
    const auto clamp = [rank](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
    const int64_t from = clamp(start);
    const int64_t count = std::max<int64_t>(0, clamp(end) - from);
    return at::tensor(in[0].sizes().slice(static_cast<size_t>(from), static_cast<size_t>(count)), at::kLong).to(device);
  });
}

// The values of the tensor that ConstantOfShape repeats, or of Constant's many attributes.
absl::StatusOr<at::Tensor> ConstantValue(const OperatorContext& context) {
  const auto& attributes = context.node.attributes;
  if (const auto found = attributes.find("value"); found != attributes.end()) {
    if (const auto* tensor = std::get_if<at::Tensor>(&found->second)) return *tensor;
  }
  if (context.Has("value_int")) return at::scalar_tensor(context.Int("value_int", 0), at::kLong);
  if (context.Has("value_float")) return at::scalar_tensor(context.Float("value_float", 0), at::kFloat);
  if (context.Has("value_ints")) return at::tensor(context.Ints("value_ints"), at::kLong);
  if (const auto found = attributes.find("value_floats"); found != attributes.end()) {
    if (const auto* values = std::get_if<std::vector<float>>(&found->second)) return at::tensor(*values, at::kFloat);
  }
  return absl::UnimplementedError("a constant of this type");
}

absl::StatusOr<Kernel> MakeConstantOfShape(const OperatorContext& context) {
  at::Tensor value = at::zeros({1}, at::kFloat);
  if (context.Has("value")) {
    ASSIGN_OR_RETURN(value, ConstantValue(context));
  }
  const at::Device device = context.device;
  return Single([value, device](Inputs in) {
    return at::full(ToInts(in[0]), value.reshape({}).item(), at::TensorOptions(value.scalar_type()).device(device));
  });
}

absl::StatusOr<Kernel> MakeExpand(const OperatorContext&) {
  return Single([](Inputs in) {
    // Both operands broadcast: a side of 1 in the wanted shape keeps that of the input.
    std::vector<int64_t> sides = ToInts(in[1]);
    if (static_cast<int64_t>(sides.size()) < in[0].dim())
      sides.insert(sides.begin(), static_cast<size_t>(in[0].dim()) - sides.size(), 1);
    const size_t more = sides.size() - static_cast<size_t>(in[0].dim());
    for (size_t i = more; i < sides.size(); ++i) {
      if (sides[i] == 1) sides[i] = in[0].size(static_cast<int64_t>(i - more));
    }
    return in[0].expand(sides);
  });
}

absl::StatusOr<Kernel> MakeRange(const OperatorContext& context) {
  const at::Device device = context.device;
  return Single([device](Inputs in) {
    const at::ScalarType type = in[0].scalar_type();
    const at::TensorOptions options = at::TensorOptions(type).device(device);
    if (!in[0].is_floating_point()) {
      const int64_t start = ToInts(in[0]).at(0);
      const int64_t limit = ToInts(in[1]).at(0);
      const int64_t step = ToInts(in[2]).at(0);
      TORCH_CHECK(step != 0, "Range with a step of 0");
      // ATen refuses an empty range that goes the wrong way.
      if ((step > 0) != (limit > start)) return at::empty({0}, options);
      return at::arange(start, limit, step, options);
    }
    const double start = ToDoubles(in[0]).at(0);
    const double step = ToDoubles(in[2]).at(0);
    TORCH_CHECK(step != 0, "Range with a step of 0");
    const auto count = std::max<int64_t>(0, static_cast<int64_t>(std::ceil((ToDoubles(in[1]).at(0) - start) / step)));
    return at::arange(count, at::TensorOptions(at::kDouble).device(device)).mul(step).add(start).to(type);
  });
}

absl::StatusOr<Kernel> MakeTile(const OperatorContext&) {
  return Single([](Inputs in) { return in[0].repeat(ToInts(in[1])); });
}

absl::StatusOr<Kernel> MakeEyeLike(const OperatorContext& context) {
  const int64_t k = context.Int("k", 0);
  const int64_t type = context.Int("dtype", 0);
  return Single([k, type](Inputs in) {
    const at::ScalarType to = type == 0 ? in[0].scalar_type() : ElementType(type);
    const at::Tensor ones = at::ones(in[0].sizes(), in[0].options().dtype(at::kFloat));
    return at::triu(at::tril(ones, k), k).to(to);
  });
}

absl::StatusOr<Kernel> MakeTrilu(const OperatorContext& context) {
  const bool upper = context.Int("upper", 1) != 0;
  return Single([upper](Inputs in) {
    const int64_t k = InputOr(in, 1).defined() ? ToInts(in[1]).at(0) : 0;
    return upper ? at::triu(in[0], k) : at::tril(in[0], k);
  });
}

absl::StatusOr<Kernel> MakeOneHot(const OperatorContext& context) {
  const int64_t axis = context.Int("axis", -1);
  return Single([axis](Inputs in) {
    const int64_t depth = ToInts(in[1]).at(0);
    const at::Tensor index = at::where(in[0] < 0, in[0] + depth, in[0]).to(at::kLong);
    const int64_t along = WrapAxis(axis, index.dim() + 1);
    std::vector<int64_t> sides(static_cast<size_t>(index.dim()) + 1, 1);
    sides[static_cast<size_t>(along)] = depth;
    // Positions outside [-depth, depth) show nothing.
    const at::Tensor hot = index.unsqueeze(along) == at::arange(depth, index.options()).reshape(sides);
    const at::Tensor off_on = in[2].to(index.device());
    return at::where(hot, off_on[1], off_on[0]);
  });
}

}  // namespace

void AddSizeOperators(OperatorTable& table) {
  table["Shape"] = {.make = MakeShape};
  table["Size"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    const at::Device device = context.device;
    return Single([device](Inputs in) { return at::scalar_tensor(in[0].numel(), at::kLong).to(device); });
  }};
  table["Constant"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
                         ASSIGN_OR_RETURN(at::Tensor value, ConstantValue(context));
                         return Single([value](Inputs) { return value; });
                       },
                       .min_inputs = 0};
  table["ConstantOfShape"] = {.make = MakeConstantOfShape, .host_inputs = 0b1};
  table["Expand"] = {.make = MakeExpand, .min_inputs = 2, .host_inputs = 0b10};
  table["Range"] = {.make = MakeRange, .min_inputs = 3, .host_inputs = 0b111};
  table["Tile"] = {.make = MakeTile, .min_inputs = 2, .host_inputs = 0b10};
  table["EyeLike"] = {.make = MakeEyeLike};
  table["Trilu"] = {.make = MakeTrilu, .host_inputs = 0b10};
  table["OneHot"] = {.make = MakeOneHot, .min_inputs = 3, .host_inputs = 0b10};
}

}  // namespace reelsight::inference
