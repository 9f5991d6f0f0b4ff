// SPDX-License-Identifier: Apache-2.0
//
// Reductions along axes, running sums, and where the largest is.
#include <ATen/ATen.h>

#include <numeric>

#include "absl/status/status.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {
namespace {

using Reduce = at::Tensor (*)(const at::Tensor&, const std::vector<int64_t>& axes, bool keep);

// Axes were an attribute before opset `input_since`.
void AddReduction(OperatorTable& table, const char* name, int64_t input_since, Reduce reduce) {
  const auto make = [input_since, reduce](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    const bool keep = context.Int("keepdims", 1) != 0;
    const bool all_if_empty = context.Int("noop_with_empty_axes", 0) == 0;
    const bool from_input = context.opset >= input_since;
    return Single([reduce, keep, all_if_empty, from_input, attribute = context.Ints("axes")](Inputs in) {
      std::vector<int64_t> axes = attribute;
      if (from_input && InputOr(in, 1).defined()) axes = ToInts(in[1]);
      if (axes.empty() && !all_if_empty) return in[0];
      axes = WrapAxes(std::move(axes), in[0].dim());
      if (axes.empty()) {
        axes.resize(static_cast<size_t>(in[0].dim()));
        std::iota(axes.begin(), axes.end(), 0);
      }
      return reduce(in[0], axes, keep);
    });
  };
  table[name] = {.make = make, .host_inputs = 0b10};
}

at::Tensor Sum(const at::Tensor& x, const std::vector<int64_t>& axes, bool keep) {
  return at::sum(Widened(x), axes, keep, x.is_floating_point() ? std::nullopt : std::optional(x.scalar_type()));
}

at::Tensor Product(const at::Tensor& x, const std::vector<int64_t>& axes, bool keep) {
  at::Tensor result = Widened(x);
  for (const int64_t axis : axes) result = at::prod(result, axis, true, result.scalar_type());
  if (keep) return result;
  return axes.size() == static_cast<size_t>(x.dim()) ? result.reshape({}) : result.squeeze(axes);
}

at::Tensor Mean(const at::Tensor& x, const std::vector<int64_t>& axes, bool keep) {
  if (x.is_floating_point()) return at::mean(x, axes, keep);
  return at::mean(x.to(at::kDouble), axes, keep).to(x.scalar_type());
}

template <bool largest>
absl::StatusOr<Kernel> MakeArgExtreme(const OperatorContext& context) {
  const int64_t axis = context.Int("axis", 0);
  const bool keep = context.Int("keepdims", 1) != 0;
  const bool last = context.Int("select_last_index", 0) != 0;
  return Single([axis, keep, last](Inputs in) {
    const int64_t along = WrapAxis(axis, in[0].dim());
    const at::Tensor x = last ? in[0].flip(along) : in[0];
    const at::Tensor found = largest ? at::argmax(x, along, keep) : at::argmin(x, along, keep);
    return last ? x.size(along) - 1 - found : found;
  });
}

absl::StatusOr<Kernel> MakeCumSum(const OperatorContext& context) {
  const bool exclusive = context.Int("exclusive", 0) != 0;
  const bool reverse = context.Int("reverse", 0) != 0;
  return Single([exclusive, reverse](Inputs in) {
    const int64_t axis = WrapAxis(ToInts(in[1]).at(0), in[0].dim());
    const at::Tensor x = reverse ? Widened(in[0]).flip(axis) : Widened(in[0]);
    at::Tensor sums = at::cumsum(x, axis, x.scalar_type());
    if (exclusive) sums = sums - x;
    return reverse ? sums.flip(axis) : sums;
  });
}

}  // namespace

void AddReductionOperators(OperatorTable& table) {
  AddReduction(table, "ReduceSum", 13, Sum);
  AddReduction(table, "ReduceMean", 18, Mean);
  AddReduction(table, "ReduceProd", 18, Product);
  AddReduction(table, "ReduceMax", 18, [](const at::Tensor& x, const std::vector<int64_t>& axes, bool keep) {
    return at::amax(x, axes, keep);
  });
  AddReduction(table, "ReduceMin", 18, [](const at::Tensor& x, const std::vector<int64_t>& axes, bool keep) {
    return at::amin(x, axes, keep);
  });
  AddReduction(table, "ReduceL1", 18, [](const at::Tensor& x, const std::vector<int64_t>& axes, bool keep) {
    return Sum(at::abs(Widened(x)), axes, keep);
  });
  AddReduction(table, "ReduceL2", 18, [](const at::Tensor& x, const std::vector<int64_t>& axes, bool keep) {
    return at::sqrt(Sum(at::square(Widened(x)), axes, keep));
  });
  AddReduction(table, "ReduceSumSquare", 18, [](const at::Tensor& x, const std::vector<int64_t>& axes, bool keep) {
    return Sum(at::square(Widened(x)), axes, keep);
  });
  AddReduction(table, "ReduceLogSum", 18, [](const at::Tensor& x, const std::vector<int64_t>& axes, bool keep) {
    return at::log(Sum(x, axes, keep));
  });
  AddReduction(table, "ReduceLogSumExp", 18, [](const at::Tensor& x, const std::vector<int64_t>& axes, bool keep) {
    return at::logsumexp(Widened(x), axes, keep);
  });
  table["ArgMax"] = {.make = MakeArgExtreme<true>};
  table["ArgMin"] = {.make = MakeArgExtreme<false>};
  table["CumSum"] = {.make = MakeCumSum, .min_inputs = 2, .host_inputs = 0b10};
}

}  // namespace reelsight::inference
