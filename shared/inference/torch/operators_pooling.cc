// SPDX-License-Identifier: Apache-2.0
//
// Pooling. Windows are laid as ONNX says: those of `ceil_mode` that begin beyond the padded input do not count.
#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/inference/torch/operator.h"
#include "shared/inference/torch/padding.h"

namespace reelsight::inference {
namespace {

struct Window {
  std::vector<int64_t> kernel;
  std::vector<int64_t> strides;
  std::vector<int64_t> dilations;
  Padding padding;
  bool ceil_mode = false;
};

absl::StatusOr<Window> MakeWindow(const OperatorContext& context) {
  Window window;
  window.kernel = context.Ints("kernel_shape");
  const size_t rank = window.kernel.size();
  if (rank < 1 || rank > 3) return absl::UnimplementedError(absl::StrCat("windows of ", rank, " axes"));
  window.strides = context.Ints("strides");
  if (window.strides.empty()) window.strides.assign(rank, 1);
  window.dilations = context.Ints("dilations");
  if (window.dilations.empty()) window.dilations.assign(rank, 1);
  for (const std::vector<int64_t>* values : {&window.kernel, &window.strides, &window.dilations}) {
    if (values->size() != rank || std::any_of(values->begin(), values->end(), [](int64_t v) { return v < 1; })) {
      return absl::InvalidArgumentError("windows, strides or dilations out of range");
    }
  }
  window.ceil_mode = context.Int("ceil_mode", 0) != 0;
  ASSIGN_OR_RETURN(window.padding, Padding::From(context, rank));
  return window;
}

// ATen takes pads that are equal on both sides and at most half a window; others are laid around the input first.
struct Pads {
  std::vector<int64_t> around;
  std::vector<int64_t> inner;
};

Pads PadsFor(const Window& window, const at::Tensor& x) {
  const size_t rank = window.kernel.size();
  TORCH_CHECK(static_cast<size_t>(x.dim()) == rank + 2, "an input of rank ", x.dim());
  const std::vector<int64_t> pads =
      window.padding.ForInput(x.sizes().slice(2), window.kernel, window.strides, window.dilations);
  bool fits = IsSymmetric(pads);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t extent = window.dilations[i] * (window.kernel[i] - 1) + 1;
    fits = fits && pads[i] <= window.kernel[i] / 2;
    TORCH_CHECK(pads[i] < extent && pads[i + rank] < extent, "pads as wide as the window");
  }
  if (fits) return {.around = {}, .inner = {pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank)}};
  return {.around = pads, .inner = std::vector<int64_t>(rank, 0)};
}

at::Tensor MaxPool(const Window& w, at::Tensor x) {
  const Pads pads = PadsFor(w, x);
  if (!pads.around.empty()) {
    const bool real = x.is_floating_point();
    x = PadSides(x, pads.around,
                 real ? -std::numeric_limits<double>::infinity() : (x.scalar_type() == at::kByte ? 0 : -128));
  }
  switch (w.kernel.size()) {
    case 1:
      return at::max_pool1d(x, w.kernel, w.strides, pads.inner, w.dilations, w.ceil_mode);
    case 2:
      return at::max_pool2d(x, w.kernel, w.strides, pads.inner, w.dilations, w.ceil_mode);
    default:
      return at::max_pool3d(x, w.kernel, w.strides, pads.inner, w.dilations, w.ceil_mode);
  }
}

at::Tensor AveragePool(const Window& w, const at::Tensor& x, const std::vector<int64_t>& pads, bool count_pads) {
  switch (w.kernel.size()) {
    case 1:
      return at::avg_pool1d(x, w.kernel, w.strides, pads, w.ceil_mode, count_pads);
    case 2:
      return at::avg_pool2d(x, w.kernel, w.strides, pads, w.ceil_mode, count_pads);
    default:
      return at::avg_pool3d(x, w.kernel, w.strides, pads, w.ceil_mode, count_pads);
  }
}

at::Tensor AveragePool(const Window& w, const at::Tensor& given, bool count_pads) {
  // ATen has no 16-bit form of the three-dimensional one on the CPU.
  const at::Tensor x = w.kernel.size() == 3 && given.is_cpu() ? Widened(given) : given;
  const Pads pads = PadsFor(w, x);
  if (pads.around.empty()) return AveragePool(w, x, pads.inner, count_pads);
  const at::Tensor sums = AveragePool(w, PadSides(x, pads.around, 0), pads.inner, true);
  if (count_pads) return sums;
  // The mean over what is no pad: the share of each window that is not.
  const at::Tensor ones = at::ones_like(x.narrow(0, 0, 1).narrow(1, 0, 1));
  return sums / AveragePool(w, PadSides(ones, pads.around, 0), pads.inner, true);
}

std::vector<int64_t> SpatialAxes(const at::Tensor& x) {
  std::vector<int64_t> axes;
  for (int64_t axis = 2; axis < x.dim(); ++axis) axes.push_back(axis);
  return axes;
}

}  // namespace

void AddPoolingOperators(OperatorTable& table) {
  table["MaxPool"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    if (context.node.outputs.size() > 1 && !context.node.outputs[1].empty()) {
      return absl::UnimplementedError("the second output of MaxPool");
    }
    ASSIGN_OR_RETURN(Window window, MakeWindow(context));
    return Single([window = std::move(window)](Inputs in) { return MaxPool(window, in[0]); });
  }};
  table["AveragePool"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
    ASSIGN_OR_RETURN(Window window, MakeWindow(context));
    for (const int64_t dilation : window.dilations) {
      if (dilation != 1) return absl::UnimplementedError("dilations of AveragePool");
    }
    const bool count_pads = context.Int("count_include_pad", 0) != 0;
    return Single(
        [window = std::move(window), count_pads](Inputs in) { return AveragePool(window, in[0], count_pads); });
  }};
  table["GlobalAveragePool"] = {.make = [](const OperatorContext&) -> absl::StatusOr<Kernel> {
    return Single([](Inputs in) { return at::mean(in[0], SpatialAxes(in[0]), true); });
  }};
  table["GlobalMaxPool"] = {.make = [](const OperatorContext&) -> absl::StatusOr<Kernel> {
    return Single([](Inputs in) { return at::amax(in[0], SpatialAxes(in[0]), true); });
  }};
}

}  // namespace reelsight::inference
