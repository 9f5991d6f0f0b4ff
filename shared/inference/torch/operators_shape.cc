// SPDX-License-Identifier: Apache-2.0
//
// What moves elements and computes nothing: reshape, transpose, concatenate, split, slice, pad, tile.
#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {
namespace {

absl::StatusOr<Kernel> MakeReshape(const OperatorContext& context) {
  const bool allow_zero = context.Int("allowzero", 0) != 0;
  return Single([allow_zero](Inputs in) {
    std::vector<int64_t> sides = ToInts(in[1]);
    for (size_t i = 0; i < sides.size(); ++i) {
      if (sides[i] == 0 && !allow_zero) sides[i] = in[0].size(static_cast<int64_t>(i));
    }
    return in[0].reshape(sides);
  });
}

absl::StatusOr<Kernel> MakeFlatten(const OperatorContext& context) {
  const int64_t axis = context.Int("axis", 1);
  return Single([axis](Inputs in) {
    TORCH_CHECK(axis >= -in[0].dim() && axis <= in[0].dim(), "axis ", axis);
    const auto sides = in[0].sizes();
    const auto at = static_cast<size_t>(axis < 0 ? axis + in[0].dim() : axis);
    return in[0].reshape({c10::multiply_integers(sides.slice(0, at)), c10::multiply_integers(sides.slice(at))});
  });
}

absl::StatusOr<Kernel> MakeTranspose(const OperatorContext& context) {
  return Single([permutation = context.Ints("perm")](Inputs in) {
    if (!permutation.empty()) return in[0].permute(permutation);
    std::vector<int64_t> reversed(static_cast<size_t>(in[0].dim()));
    std::iota(reversed.rbegin(), reversed.rend(), 0);
    return in[0].permute(reversed);
  });
}

// Axes were an attribute before opset 13.
absl::StatusOr<Kernel> MakeSqueeze(const OperatorContext& context) {
  return Single([attribute = context.Ints("axes")](Inputs in) {
    const std::vector<int64_t> axes = InputOr(in, 1).defined() ? ToInts(in[1]) : attribute;
    if (axes.empty()) return in[0].squeeze();
    for (const int64_t axis : axes) TORCH_CHECK(in[0].size(axis) == 1, "Squeeze of a side of ", in[0].size(axis));
    return in[0].squeeze(axes);
  });
}

absl::StatusOr<Kernel> MakeUnsqueeze(const OperatorContext& context) {
  return Single([attribute = context.Ints("axes")](Inputs in) {
    std::vector<int64_t> axes = InputOr(in, 1).defined() ? ToInts(in[1]) : attribute;
    axes = WrapAxes(std::move(axes), in[0].dim() + static_cast<int64_t>(axes.size()));
    std::sort(axes.begin(), axes.end());
    at::Tensor result = in[0];
    for (const int64_t axis : axes) result = result.unsqueeze(axis);
    return result;
  });
}

absl::StatusOr<Kernel> MakeConcat(const OperatorContext& context) {
  const int64_t axis = context.Int("axis", 1);
  return Single([axis](Inputs in) { return at::cat(at::TensorList(in.data(), in.size()), axis); });
}

absl::StatusOr<Kernel> MakeSplit(const OperatorContext& context) {
  const int64_t axis = context.Int("axis", 0);
  const auto parts = static_cast<int64_t>(context.node.outputs.size());
  return Kernel([axis, parts, attribute = context.Ints("split")](Inputs in, Outputs& out) {
    std::vector<int64_t> sizes = InputOr(in, 1).defined() ? ToInts(in[1]) : attribute;
    const int64_t along = WrapAxis(axis, in[0].dim());
    if (sizes.empty()) {
      // Equal parts; the last one may be smaller.
      int64_t left = in[0].size(along);
      const int64_t each = (left + parts - 1) / parts;
      for (int64_t i = 0; i < parts; ++i) {
        sizes.push_back(std::min(each, left));
        left -= sizes.back();
      }
    }
    for (const at::Tensor& part : at::split_with_sizes(in[0], sizes, along)) out.push_back(part);
  });
}

at::Tensor SliceAxis(const at::Tensor& x, int64_t axis, int64_t begin, int64_t end, int64_t step) {
  const int64_t side = x.size(axis);
  if (step > 0) return x.slice(axis, begin, end, step);
  TORCH_CHECK(step < 0, "a step of 0");
  // Backwards: ATen has no negative steps. INT64_MIN and its like mean: past the first.
  if (begin < 0) begin += side;
  if (end < 0) end = end < -side ? -1 : end + side;
  begin = std::clamp<int64_t>(begin, -1, side - 1);
  end = std::clamp<int64_t>(end, -1, side - 1);
  const int64_t count = std::max<int64_t>(0, (end - begin + step + 1) / step);
  if (count == 0) return x.slice(axis, 0, 0);
  const int64_t first = begin + (count - 1) * step;
  return x.slice(axis, first, begin + 1, -step).flip(axis);
}

// Everything was an attribute before opset 10.
absl::StatusOr<Kernel> MakeSlice(const OperatorContext& context) {
  return Single([starts = context.Ints("starts"), ends = context.Ints("ends"),
                 axes_attribute = context.Ints("axes")](Inputs in) {
    const std::vector<int64_t> begin = InputOr(in, 1).defined() ? ToInts(in[1]) : starts;
    const std::vector<int64_t> end = InputOr(in, 2).defined() ? ToInts(in[2]) : ends;
    std::vector<int64_t> axes = InputOr(in, 3).defined() ? ToInts(in[3]) : axes_attribute;
    const std::vector<int64_t> steps = InputOr(in, 4).defined() ? ToInts(in[4]) : std::vector<int64_t>();
    if (axes.empty()) {
      axes.resize(begin.size());
      std::iota(axes.begin(), axes.end(), 0);
    }
    at::Tensor result = in[0];
    for (size_t i = 0; i < axes.size(); ++i) {
      result =
          SliceAxis(result, WrapAxis(axes[i], result.dim()), begin.at(i), end.at(i), steps.empty() ? 1 : steps.at(i));
    }
    return result;
  });
}

enum class PadMode { kConstant, kReflect, kEdge, kWrap };

// Which element each place of a padded axis shows.
at::Tensor PadIndex(PadMode mode, int64_t side, int64_t before, int64_t after, at::Device device) {
  std::vector<int64_t> index;
  TORCH_CHECK(side > 0, "Pad of an empty axis");
  for (int64_t i = -before; i < side + after; ++i) {
    int64_t from = i;
    if (mode == PadMode::kEdge) {
      from = std::clamp<int64_t>(i, 0, side - 1);
    } else if (mode == PadMode::kWrap) {
      from = (i % side + side) % side;
    } else if (side > 1) {
      const int64_t period = 2 * (side - 1);
      from = (i % period + period) % period;
      from = std::min(from, period - from);
    } else {
      from = 0;
    }
    index.push_back(from);
  }
  return at::tensor(index, at::kLong).to(device);
}

// Pads were an attribute before opset 11; axes came with opset 18.
absl::StatusOr<Kernel> MakePad(const OperatorContext& context) {
  const std::string name = context.String("mode", "constant");
  PadMode mode = PadMode::kConstant;
  if (name == "reflect") {
    mode = PadMode::kReflect;
  } else if (name == "edge") {
    mode = PadMode::kEdge;
  } else if (name == "wrap") {
    mode = PadMode::kWrap;
  } else if (name != "constant") {
    return absl::UnimplementedError(absl::StrCat("mode ", name, " of Pad"));
  }
  return Single([mode, attribute = context.Ints("pads"), value_attribute = context.Float("value", 0)](Inputs in) {
    at::Tensor x = in[0];
    const std::vector<int64_t> pads = InputOr(in, 1).defined() ? ToInts(in[1]) : attribute;
    const std::vector<double> values = InputOr(in, 2).defined() ? ToDoubles(in[2]) : std::vector<double>();
    const double value = values.empty() ? value_attribute : values[0];
    const auto rank = static_cast<size_t>(x.dim());
    std::vector<int64_t> axes(rank);
    std::iota(axes.begin(), axes.end(), 0);
    if (InputOr(in, 3).defined()) axes = WrapAxes(ToInts(in[3]), x.dim());
    TORCH_CHECK(pads.size() == 2 * axes.size(), pads.size(), " pads for ", axes.size(), " axes");
    std::vector<int64_t> pairs(2 * rank, 0);
    for (size_t i = 0; i < axes.size(); ++i) {
      const int64_t before = pads[i];
      const int64_t after = pads[i + axes.size()];
      if (mode == PadMode::kConstant) {
        const size_t pair = 2 * (rank - 1 - static_cast<size_t>(axes[i]));
        pairs[pair] = before;
        pairs[pair + 1] = after;
      } else if (before != 0 || after != 0) {
        x = x.index_select(axes[i], PadIndex(mode, x.size(axes[i]), before, after, x.device()));
      }
    }
    return mode == PadMode::kConstant ? at::constant_pad_nd(x, pairs, value) : x;
  });
}

absl::StatusOr<Kernel> MakeDepthToSpace(const OperatorContext& context) {
  const int64_t block = context.Int("blocksize", 1);
  if (block < 1) return absl::InvalidArgumentError("blocksize must be at least 1");
  const bool column_first = context.String("mode", "DCR") == "CRD";
  return Single([block, column_first](Inputs in) {
    const at::Tensor& x = in[0];
    const int64_t n = x.size(0);
    const int64_t c = x.size(1) / (block * block);
    const int64_t h = x.size(2);
    const int64_t w = x.size(3);
    const at::Tensor parts = column_first ? x.reshape({n, c, block, block, h, w}).permute({0, 1, 4, 2, 5, 3})
                                          : x.reshape({n, block, block, c, h, w}).permute({0, 3, 4, 1, 5, 2});
    return parts.reshape({n, c, h * block, w * block});
  });
}

absl::StatusOr<Kernel> MakeSpaceToDepth(const OperatorContext& context) {
  const int64_t block = context.Int("blocksize", 1);
  if (block < 1) return absl::InvalidArgumentError("blocksize must be at least 1");
  return Single([block](Inputs in) {
    const at::Tensor& x = in[0];
    const int64_t h = x.size(2) / block;
    const int64_t w = x.size(3) / block;
    return x.reshape({x.size(0), x.size(1), h, block, w, block})
        .permute({0, 3, 5, 1, 2, 4})
        .reshape({x.size(0), x.size(1) * block * block, h, w});
  });
}

}  // namespace

void AddShapeOperators(OperatorTable& table) {
  table["Identity"] = {
      .make = [](const OperatorContext&) -> absl::StatusOr<Kernel> { return Single([](Inputs in) { return in[0]; }); }};
  table["Dropout"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    if (context.node.outputs.size() > 1) return absl::UnimplementedError("the mask as an output of Dropout");
    return Single([](Inputs in) { return in[0]; });
  }};
  table["Reshape"] = {.make = MakeReshape, .min_inputs = 2, .host_inputs = 0b10};
  table["Flatten"] = {.make = MakeFlatten};
  table["Transpose"] = {.make = MakeTranspose};
  table["Squeeze"] = {.make = MakeSqueeze, .host_inputs = 0b10};
  table["Unsqueeze"] = {.make = MakeUnsqueeze, .host_inputs = 0b10};
  table["Concat"] = {.make = MakeConcat, .min_inputs = kAllInputs};
  table["Split"] = {.make = MakeSplit, .host_inputs = 0b10};
  table["Slice"] = {.make = MakeSlice, .host_inputs = 0b11110};
  table["Pad"] = {.make = MakePad, .host_inputs = 0b1110};
  table["DepthToSpace"] = {.make = MakeDepthToSpace};
  table["SpaceToDepth"] = {.make = MakeSpaceToDepth};
}

}  // namespace reelsight::inference
