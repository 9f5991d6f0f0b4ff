// SPDX-License-Identifier: Apache-2.0
//
// Conv and ConvTranspose. Weights are kept in channels-last order, which makes ATen compute, and hand on, in it.
#include <ATen/ATen.h>

#include <algorithm>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/inference/torch/operator.h"
#include "shared/inference/torch/padding.h"

namespace reelsight::inference {
namespace {

at::MemoryFormat FormatFor(const at::Tensor& tensor) {
  if (tensor.dim() == 4) return at::MemoryFormat::ChannelsLast;
  if (tensor.dim() == 5) return at::MemoryFormat::ChannelsLast3d;
  return at::MemoryFormat::Contiguous;
}

// The node that runs on the output, see Node::fused.
absl::StatusOr<Kernel> FusedKernel(const OperatorContext& context) {
  if (context.node.fused == nullptr) return Kernel();
  const Node& fused = *context.node.fused;
  return Operators().at(fused.op).make(
      OperatorContext(fused, context.opset, std::vector<at::Tensor>(1), context.device, context.compute_type));
}

struct Convolution {
  at::ScalarType type;
  at::Tensor weight;
  at::Tensor bias;
  std::vector<int64_t> strides;
  std::vector<int64_t> dilations;
  std::vector<int64_t> output_padding;
  std::vector<int64_t> output_shape;
  Padding padding;
  int64_t groups = 1;
  bool transposed = false;
  // Conv and Relu in one call of cuDNN.
  bool relu = false;
  Kernel fused;

  at::Tensor WeightFor(const at::Tensor& given) const {
    if (weight.defined()) return weight;
    return given.to(type).contiguous(FormatFor(given));
  }
  std::optional<at::Tensor> BiasFor(const at::Tensor& given) const {
    if (bias.defined()) return bias;
    if (given.defined()) return given.to(type);
    return std::nullopt;
  }

  void operator()(Inputs in, Outputs& out) const {
    const at::Tensor w = WeightFor(in[1]);
    const std::optional<at::Tensor> b = BiasFor(InputOr(in, 2));
    TORCH_CHECK(static_cast<size_t>(w.dim()) == strides.size() + 2 && in[0].dim() == w.dim(), "an input of rank ",
                in[0].dim(), " and weights of rank ", w.dim());
    at::Tensor x = in[0].to(type);
    in[0].reset();
    at::Tensor y = transposed ? Transposed(std::move(x), w, b) : Forward(std::move(x), w, b);
    if (!fused) {
      out.push_back(std::move(y));
      return;
    }
    fused(Inputs(&y, 1), out);
  }

  at::Tensor Forward(at::Tensor x, const at::Tensor& w, const std::optional<at::Tensor>& b) const {
    const size_t rank = static_cast<size_t>(w.dim()) - 2;
    const std::vector<int64_t> kernel(w.sizes().begin() + 2, w.sizes().end());
    const std::vector<int64_t> pads = padding.ForInput(x.sizes().slice(2), kernel, strides, dilations);
    std::vector<int64_t> both(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
    if (!IsSymmetric(pads)) {
      x = PadSides(x, pads, 0);
      both.assign(rank, 0);
    }
    x = x.contiguous(FormatFor(w));
    if (relu) return at::cudnn_convolution_relu(x, w, b, strides, both, dilations, groups);
    return at::convolution(x, w, b, strides, both, dilations, false, std::vector<int64_t>(rank, 0), groups);
  }

  at::Tensor Transposed(at::Tensor x, const at::Tensor& w, const std::optional<at::Tensor>& b) const {
    const size_t rank = static_cast<size_t>(w.dim()) - 2;
    const std::vector<int64_t> kernel(w.sizes().begin() + 2, w.sizes().end());
    std::vector<int64_t> pads = padding.explicit_pads(rank);
    std::vector<int64_t> more = output_padding;
    for (size_t i = 0; i < rank && (!output_shape.empty() || padding.is_auto()); ++i) {
      // As the specification says: the pads follow from the wanted size.
      const int64_t full = strides[i] * (x.size(static_cast<int64_t>(i) + 2) - 1) + dilations[i] * (kernel[i] - 1) + 1;
      const int64_t wanted = output_shape.empty() ? x.size(static_cast<int64_t>(i) + 2) * strides[i] : output_shape[i];
      const int64_t total = full + more[i] - wanted;
      TORCH_CHECK(total >= 0, "output_shape ", wanted, " is more than the layer makes");
      const int64_t less_half = total / 2;
      pads[i] = padding.is_same_upper() ? less_half : total - less_half;
      pads[i + rank] = total - pads[i];
    }
    x = x.contiguous(FormatFor(w));
    std::vector<int64_t> both(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
    if (IsSymmetric(pads)) return at::convolution(x, w, b, strides, both, dilations, true, more, groups);
    // Unequal pads: everything, then the wanted part of it.
    at::Tensor y = at::convolution(x, w, b, strides, std::vector<int64_t>(rank, 0), dilations, true,
                                   std::vector<int64_t>(rank, 0), groups);
    for (size_t i = 0; i < rank; ++i) {
      const int64_t axis = static_cast<int64_t>(i) + 2;
      const int64_t end = y.size(axis) - pads[i + rank] + more[i];
      if (end > y.size(axis)) {
        std::vector<int64_t> extra(2 * (rank - i), 0);
        extra[extra.size() - 1] = end - y.size(axis);
        // Places that no input reaches hold the bias alone.
        at::Tensor wider = at::constant_pad_nd(y, extra, 0);
        if (b.has_value()) {
          std::vector<int64_t> sides(rank + 2, 1);
          sides[1] = -1;
          wider.narrow(axis, y.size(axis), end - y.size(axis)).copy_(b->reshape(sides).to(wider.scalar_type()));
        }
        y = wider;
      }
      y = y.slice(axis, pads[i], end);
    }
    return y.contiguous(FormatFor(y));
  }
};

absl::StatusOr<Kernel> MakeConvolution(const OperatorContext& context, bool transposed) {
  Convolution layer;
  layer.transposed = transposed;
  layer.groups = context.Int("group", 1);
  const at::Tensor weight = context.Constant(1);
  layer.type = context.compute_type;
  size_t rank = context.Ints("kernel_shape").size();
  if (weight.defined()) {
    rank = static_cast<size_t>(weight.dim()) - 2;
    const bool one_channel = weight.size(transposed ? 1 : 0) * (transposed ? layer.groups : 1) == 1;
    if (one_channel) layer.type = at::kFloat;
    layer.weight = weight.to(layer.type).contiguous(FormatFor(weight)).to(context.device);
  }
  if (rank < 1 || rank > 3) return absl::UnimplementedError(absl::StrCat("kernels of ", rank, " axes"));
  if (const at::Tensor bias = context.Constant(2); bias.defined()) {
    layer.bias = bias.to(layer.type).contiguous().to(context.device);
  }
  const auto or_filled = [rank](std::vector<int64_t> values, int64_t otherwise) {
    return values.empty() ? std::vector<int64_t>(rank, otherwise) : values;
  };
  layer.strides = or_filled(context.Ints("strides"), 1);
  layer.dilations = or_filled(context.Ints("dilations"), 1);
  layer.output_padding = or_filled(context.Ints("output_padding"), 0);
  layer.output_shape = context.Ints("output_shape");
  // Exporters wrote either the spatial sides or all of them.
  if (layer.output_shape.size() == rank + 2) {
    layer.output_shape.erase(layer.output_shape.begin(), layer.output_shape.begin() + 2);
  }
  const auto fits = [rank](const std::vector<int64_t>& values, int64_t least) {
    return values.size() == rank && std::all_of(values.begin(), values.end(), [=](int64_t v) { return v >= least; });
  };
  if (layer.groups < 1 || !fits(layer.strides, 1) || !fits(layer.dilations, 1) || !fits(layer.output_padding, 0) ||
      (!layer.output_shape.empty() && !fits(layer.output_shape, 1))) {
    return absl::InvalidArgumentError("strides, dilations, output sizes or groups out of range");
  }
  ASSIGN_OR_RETURN(layer.padding, Padding::From(context, rank));
  layer.relu = context.device.is_cuda() && !transposed && rank == 2 && context.node.fused != nullptr &&
               context.node.fused->op == "Relu";
  if (!layer.relu) {
    ASSIGN_OR_RETURN(layer.fused, FusedKernel(context));
  }
  return Kernel(std::move(layer));
}

}  // namespace

void AddConvolutionOperators(OperatorTable& table) {
  table["Conv"] = {.make = [](const OperatorContext& context) { return MakeConvolution(context, false); },
                   .min_inputs = 2,
                   .kept_inputs = 0b110};
  table["ConvTranspose"] = {.make = [](const OperatorContext& context) { return MakeConvolution(context, true); },
                            .min_inputs = 2,
                            .kept_inputs = 0b110};
}

}  // namespace reelsight::inference
