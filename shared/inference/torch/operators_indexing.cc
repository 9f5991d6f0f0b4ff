// SPDX-License-Identifier: Apache-2.0
//
// Gather and scatter in all their forms. Negative positions count from the end.
#include <ATen/ATen.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {
namespace {

at::Tensor Wrapped(const at::Tensor& index, int64_t side) {
  const at::Tensor wide = index.to(at::kLong);
  return at::where(wide < 0, wide + side, wide);
}

at::Tensor Gather(const at::Tensor& x, const at::Tensor& index, int64_t axis) {
  axis = WrapAxis(axis, x.dim());
  const at::Tensor flat = Wrapped(index, x.size(axis)).reshape({-1}).to(x.device());
  std::vector<int64_t> sides(x.sizes().begin(), x.sizes().begin() + axis);
  sides.insert(sides.end(), index.sizes().begin(), index.sizes().end());
  sides.insert(sides.end(), x.sizes().begin() + axis + 1, x.sizes().end());
  return x.index_select(axis, flat).reshape(sides);
}

// Positions into the first index.size(-1) axes of [batch, ...], flattened to one position into those axes taken as one.
at::Tensor FlatPositions(const at::Tensor& index, c10::IntArrayRef sides) {
  at::Tensor flat =
      at::zeros(index.sizes().slice(0, static_cast<size_t>(index.dim()) - 1), index.options().dtype(at::kLong));
  for (size_t i = 0; i < sides.size(); ++i) {
    const at::Tensor wrapped = Wrapped(index.select(-1, static_cast<int64_t>(i)), sides[i]);
    TORCH_CHECK(index.is_cuda() || wrapped.numel() == 0 ||
                    (wrapped.min().item<int64_t>() >= 0 && wrapped.max().item<int64_t>() < sides[i]),
                "a position outside a side of ", sides[i]);
    flat = flat * sides[i] + wrapped;
  }
  return flat;
}

at::Tensor GatherNd(const at::Tensor& x, const at::Tensor& index, int64_t batch_axes) {
  const auto b = static_cast<size_t>(batch_axes);
  const auto depth = static_cast<size_t>(index.size(-1));
  TORCH_CHECK(b + depth <= static_cast<size_t>(x.dim()), "positions of ", depth, " axes");
  const int64_t batch = c10::multiply_integers(x.sizes().slice(0, b));
  const auto tail = x.sizes().slice(b + depth);
  const int64_t tail_count = c10::multiply_integers(tail);
  const at::Tensor flat = FlatPositions(index, x.sizes().slice(b, depth)).reshape({batch, -1});
  const at::Tensor rows = x.reshape({batch, c10::multiply_integers(x.sizes().slice(b, depth)), tail_count});
  const at::Tensor picked = rows.gather(1, flat.unsqueeze(-1).expand({batch, flat.size(1), tail_count}));
  std::vector<int64_t> sides(index.sizes().begin(), index.sizes().end() - 1);
  sides.insert(sides.end(), tail.begin(), tail.end());
  return picked.reshape(sides);
}

absl::StatusOr<std::string> ReductionOf(const OperatorContext& context) {
  const std::string name = context.String("reduction", "none");
  if (name == "none") return std::string();
  if (name == "add") return std::string("sum");
  if (name == "mul") return std::string("prod");
  if (name == "max") return std::string("amax");
  if (name == "min") return std::string("amin");
  return absl::UnimplementedError(absl::StrCat("reduction ", name));
}

at::Tensor ScatterAlong(const at::Tensor& x, int64_t axis, const at::Tensor& index, const at::Tensor& updates,
                        const std::string& reduction) {
  const at::Tensor values = updates.to(x.scalar_type());
  if (reduction.empty()) return x.scatter(axis, index, values);
  return x.scatter_reduce(axis, index, values, reduction, true);
}

absl::StatusOr<Kernel> MakeScatterElements(const OperatorContext& context) {
  const int64_t axis = context.Int("axis", 0);
  ASSIGN_OR_RETURN(const std::string reduction, ReductionOf(context));
  return Single([axis, reduction](Inputs in) {
    const int64_t along = WrapAxis(axis, in[0].dim());
    return ScatterAlong(in[0], along, Wrapped(in[1], in[0].size(along)), in[2], reduction);
  });
}

absl::StatusOr<Kernel> MakeScatterNd(const OperatorContext& context) {
  ASSIGN_OR_RETURN(const std::string reduction, ReductionOf(context));
  return Single([reduction](Inputs in) {
    const at::Tensor& x = in[0];
    const auto depth = static_cast<size_t>(in[1].size(-1));
    TORCH_CHECK(depth <= static_cast<size_t>(x.dim()), "positions of ", depth, " axes");
    const int64_t tail = c10::multiply_integers(x.sizes().slice(depth));
    const at::Tensor flat = FlatPositions(in[1], x.sizes().slice(0, depth)).reshape({-1, 1});
    const at::Tensor rows = x.reshape({c10::multiply_integers(x.sizes().slice(0, depth)), tail});
    return ScatterAlong(rows, 0, flat.expand({flat.size(0), tail}), in[2].reshape({-1, tail}), reduction)
        .reshape(x.sizes());
  });
}

absl::StatusOr<Kernel> MakeGridSample(const OperatorContext& context) {
  const std::string mode_name = context.String("mode", "linear");
  const std::string padding_name = context.String("padding_mode", "zeros");
  const bool align = context.Int("align_corners", 0) != 0;
  int64_t mode = 0;
  if (mode_name == "nearest") mode = 1;
  if (mode_name == "cubic" || mode_name == "bicubic") mode = 2;
  int64_t padding = 0;
  if (padding_name == "border") padding = 1;
  if (padding_name == "reflection") padding = 2;
  return Single([mode, padding, align](Inputs in) {
    // Positions in 16 bits would be coarser than pixels.
    const at::Tensor x = Widened(in[0]);
    return at::grid_sampler(x, in[1].to(x.scalar_type()), mode, padding, align).to(in[0].scalar_type());
  });
}

}  // namespace

void AddIndexingOperators(OperatorTable& table) {
  table["Gather"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
                       const int64_t axis = context.Int("axis", 0);
                       return Single([axis](Inputs in) { return Gather(in[0], in[1], axis); });
                     },
                     .min_inputs = 2};
  table["GatherElements"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
                               const int64_t axis = context.Int("axis", 0);
                               return Single([axis](Inputs in) {
                                 const int64_t along = WrapAxis(axis, in[0].dim());
                                 return in[0].gather(along, Wrapped(in[1], in[0].size(along)));
                               });
                             },
                             .min_inputs = 2};
  table["GatherND"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
                         const int64_t batch_axes = context.Int("batch_dims", 0);
                         return Single([batch_axes](Inputs in) { return GatherNd(in[0], in[1], batch_axes); });
                       },
                       .min_inputs = 2};
  table["ScatterElements"] = {.make = MakeScatterElements, .min_inputs = 3};
  table["Scatter"] = {.make = MakeScatterElements, .min_inputs = 3};
  table["ScatterND"] = {.make = MakeScatterNd, .min_inputs = 3};
  table["GridSample"] = {.make = MakeGridSample, .min_inputs = 2};
}

}  // namespace reelsight::inference
