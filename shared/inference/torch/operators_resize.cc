// SPDX-License-Identifier: Apache-2.0
//
// Resize in all its modes, axis by axis: each output place is a weighted sum of a few input places, computed as the
// specification says. The two forms that networks use most go to ATen's own kernels.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {
namespace {

enum class Mode { kNearest, kLinear, kCubic };
enum class Transform { kHalfPixel, kHalfPixelSymmetric, kPytorchHalfPixel, kAlignCorners, kAsymmetric, kCrop };

struct ResizeOptions {
  Mode mode = Mode::kNearest;
  Transform transform = Transform::kHalfPixel;
  std::string nearest_mode;
  double cubic_a = -0.75;
  bool exclude_outside = false;
  bool antialias = false;
  double extrapolation = 0;
};

// How one axis changes. The scale is the one given, not the ratio of the sides.
struct Axis {
  int64_t axis;
  int64_t in;
  int64_t out;
  double scale;
  double crop_start;
  double crop_end;
};

double Source(const ResizeOptions& o, const Axis& a, int64_t place) {
  const auto x = static_cast<double>(place);
  const auto in = static_cast<double>(a.in);
  const auto out = static_cast<double>(a.out);
  switch (o.transform) {
    case Transform::kHalfPixel:
      return (x + 0.5) / a.scale - 0.5;
    case Transform::kHalfPixelSymmetric: {
      const double adjustment = out / (a.scale * in);
      return in / 2 * (1 - adjustment) + (x + 0.5) / a.scale - 0.5;
    }
    case Transform::kPytorchHalfPixel:
      return a.out > 1 ? (x + 0.5) / a.scale - 0.5 : 0;
    case Transform::kAlignCorners:
      return a.out > 1 ? x * (in - 1) / (out - 1) : 0;
    case Transform::kAsymmetric:
      return x / a.scale;
    case Transform::kCrop:
      return a.out > 1 ? a.crop_start * (in - 1) + x * (a.crop_end - a.crop_start) * (in - 1) / (out - 1)
                       : 0.5 * (a.crop_start + a.crop_end) * (in - 1);
  }
  return 0;
}

double Nearest(const ResizeOptions& o, double x) {
  if (o.nearest_mode == "floor") return std::floor(x);
  if (o.nearest_mode == "ceil") return std::ceil(x);
  if (o.nearest_mode == "round_prefer_ceil") return std::floor(x + 0.5);
  return std::ceil(x - 0.5);
}

double CubicWeight(double a, double distance) {
  const double d = std::abs(distance);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

// Taps of one axis: `count` positions and weights for each output place, [out, count] row-major.
struct Taps {
  int64_t count = 0;
  std::vector<int64_t> positions;
  std::vector<float> weights;
  // Places that `tf_crop_and_resize` fills with the extrapolation value.
  std::vector<bool> outside;
};

Taps MakeTaps(const ResizeOptions& o, const Axis& a) {
  Taps taps;
  // Antialiasing widens the filter when it shrinks.
  const double stretch = o.antialias ? std::max(1.0, 1 / a.scale) : 1;
  const double reach = (o.mode == Mode::kCubic ? 2 : 1) * stretch;
  taps.count = o.mode == Mode::kNearest ? 1 : 2 * static_cast<int64_t>(std::ceil(reach)) + (o.antialias ? 1 : 0);
  for (int64_t place = 0; place < a.out; ++place) {
    const double x = Source(o, a, place);
    taps.outside.push_back(o.transform == Transform::kCrop && (x < 0 || x > static_cast<double>(a.in - 1)));
    if (o.mode == Mode::kNearest) {
      taps.positions.push_back(std::clamp<int64_t>(static_cast<int64_t>(Nearest(o, x)), 0, a.in - 1));
      taps.weights.push_back(1);
      continue;
    }
    const auto first = static_cast<int64_t>(std::floor(x)) - (taps.count - (o.antialias ? 0 : 1)) / 2;
    std::vector<double> weights;
    for (int64_t i = 0; i < taps.count; ++i) {
      const double distance = (static_cast<double>(first + i) - x) / stretch;
      double weight = o.mode == Mode::kCubic ? CubicWeight(o.cubic_a, distance) : std::max(0.0, 1 - std::abs(distance));
      if ((o.exclude_outside || o.antialias) && (first + i < 0 || first + i >= a.in)) weight = 0;
      weights.push_back(weight);
      taps.positions.push_back(std::clamp<int64_t>(first + i, 0, a.in - 1));
    }
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (const double weight : weights) taps.weights.push_back(static_cast<float>(sum != 0 ? weight / sum : 0));
  }
  return taps;
}

at::Tensor ResizeAxis(const ResizeOptions& o, const Axis& a, const at::Tensor& x) {
  const Taps taps = MakeTaps(o, a);
  const at::Tensor positions =
      at::tensor(taps.positions, at::kLong).reshape({a.out, taps.count}).t().contiguous().to(x.device());
  at::Tensor result;
  if (taps.count == 1) {
    result = x.index_select(a.axis, positions[0]);
  } else {
    std::vector<int64_t> sides(static_cast<size_t>(x.dim()), 1);
    sides[static_cast<size_t>(a.axis)] = a.out;
    const at::Tensor weights = at::tensor(taps.weights, at::kFloat).reshape({a.out, taps.count}).t().to(x.device());
    for (int64_t tap = 0; tap < taps.count; ++tap) {
      const at::Tensor part = x.index_select(a.axis, positions[tap]).mul(weights[tap].reshape(sides));
      result = result.defined() ? result.add_(part) : part;
    }
  }
  if (std::any_of(taps.outside.begin(), taps.outside.end(), [](bool outside) { return outside; })) {
    for (int64_t place = 0; place < a.out; ++place) {
      if (taps.outside[static_cast<size_t>(place)]) result.select(a.axis, place).fill_(o.extrapolation);
    }
  }
  return result;
}

bool IsWhole(double value) { return value == std::floor(value); }

at::Tensor Resize(const ResizeOptions& o, const std::vector<Axis>& axes, const at::Tensor& x) {
  if (axes.empty()) return x;
  const bool picture = x.dim() == 4 && x.is_floating_point() &&
                       std::all_of(axes.begin(), axes.end(), [](const Axis& a) { return a.axis >= 2; });
  if (picture) {
    double scale[2] = {1, 1};
    int64_t sides[2] = {x.size(2), x.size(3)};
    for (const Axis& a : axes) {
      scale[a.axis - 2] = a.scale;
      sides[a.axis - 2] = a.out;
    }
    // Whole factors only: ATen computes positions in float32.
    if (o.mode == Mode::kNearest && o.transform == Transform::kAsymmetric && o.nearest_mode == "floor" &&
        IsWhole(scale[0]) && IsWhole(scale[1])) {
      return at::upsample_nearest2d(x, {sides[0], sides[1]}, scale[0], scale[1]);
    }
    if (o.mode == Mode::kLinear && o.transform == Transform::kHalfPixel && !o.antialias && !o.exclude_outside) {
      return at::upsample_bilinear2d(x, {sides[0], sides[1]}, false, scale[0], scale[1]);
    }
    if (o.mode == Mode::kLinear && o.transform == Transform::kAlignCorners && !o.antialias && !o.exclude_outside) {
      return at::upsample_bilinear2d(x, {sides[0], sides[1]}, true);
    }
  }
  const bool real = x.is_floating_point();
  at::Tensor result = o.mode == Mode::kNearest || real ? Widened(x) : x.to(at::kFloat);
  for (const Axis& a : axes) result = ResizeAxis(o, a, result);
  if (!real && o.mode != Mode::kNearest) result = result.round();
  return result.to(x.scalar_type());
}

absl::StatusOr<ResizeOptions> MakeOptions(const OperatorContext& context, bool old) {
  ResizeOptions o;
  const std::string mode = context.String("mode", "nearest");
  if (mode == "linear" || mode == "bilinear" || mode == "trilinear") {
    o.mode = Mode::kLinear;
  } else if (mode == "cubic") {
    o.mode = Mode::kCubic;
  } else if (mode != "nearest") {
    return absl::UnimplementedError(absl::StrCat("mode ", mode));
  }
  // Before opset 11 there was one way, and it had no name.
  const std::string transform = context.String("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  if (transform == "half_pixel") {
    o.transform = Transform::kHalfPixel;
  } else if (transform == "half_pixel_symmetric") {
    o.transform = Transform::kHalfPixelSymmetric;
  } else if (transform == "pytorch_half_pixel") {
    o.transform = Transform::kPytorchHalfPixel;
  } else if (transform == "align_corners") {
    o.transform = Transform::kAlignCorners;
  } else if (transform == "asymmetric") {
    o.transform = Transform::kAsymmetric;
  } else if (transform == "tf_crop_and_resize") {
    o.transform = Transform::kCrop;
  } else {
    return absl::UnimplementedError(absl::StrCat("coordinate_transformation_mode ", transform));
  }
  o.nearest_mode = context.String("nearest_mode", old ? "floor" : "round_prefer_floor");
  o.cubic_a = context.Float("cubic_coeff_a", -0.75F);
  o.exclude_outside = context.Int("exclude_outside", 0) != 0;
  o.antialias = context.Int("antialias", 0) != 0;
  o.extrapolation = context.Float("extrapolation_value", 0);
  return o;
}

absl::StatusOr<Kernel> MakeResize(const OperatorContext& context) {
  const bool old = context.opset < 11;
  ASSIGN_OR_RETURN(const ResizeOptions options, MakeOptions(context, old));
  const std::string policy = context.String("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller") {
    return absl::UnimplementedError(absl::StrCat("keep_aspect_ratio_policy ", policy));
  }
  return Single([options, policy, old, axes_attribute = context.Ints("axes")](Inputs in) {
    const at::Tensor& x = in[0];
    const at::Tensor scales_input = InputOr(in, old ? 1 : 2);
    const std::vector<double> scales = scales_input.defined() ? ToDoubles(scales_input) : std::vector<double>();
    std::vector<int64_t> sizes = !old && InputOr(in, 3).defined() ? ToInts(in[3]) : std::vector<int64_t>();
    const std::vector<double> roi = !old && InputOr(in, 1).defined() ? ToDoubles(in[1]) : std::vector<double>();
    std::vector<int64_t> along = WrapAxes(axes_attribute, x.dim());
    if (along.empty()) {
      along.resize(static_cast<size_t>(x.dim()));
      std::iota(along.begin(), along.end(), 0);
    }
    const bool by_scales = !scales.empty();
    TORCH_CHECK((by_scales ? scales.size() : sizes.size()) == along.size(), "Resize needs a number for each axis");
    double common = 0;
    if (!by_scales && policy != "stretch") {
      for (size_t i = 0; i < along.size(); ++i) {
        const double scale = static_cast<double>(sizes[i]) / static_cast<double>(x.size(along[i]));
        const bool better = policy == "not_larger" ? scale < common : scale > common;
        if (i == 0 || better) common = scale;
      }
    }
    std::vector<Axis> axes;
    for (size_t i = 0; i < along.size(); ++i) {
      Axis a{.axis = along[i], .in = x.size(along[i]), .out = 0, .scale = 0, .crop_start = 0, .crop_end = 1};
      if (by_scales) {
        a.scale = scales[i];
        // Scales are float32: 1.9999999 times 10 means 20 less a rounding error, which the specification floors too.
        a.out = static_cast<int64_t>(std::floor(static_cast<double>(a.in) * scales[i]));
      } else if (common != 0) {
        a.scale = common;
        a.out = static_cast<int64_t>(std::floor(common * static_cast<double>(a.in) + 0.5));
      } else {
        a.out = sizes[i];
        a.scale = static_cast<double>(a.out) / static_cast<double>(a.in);
      }
      TORCH_CHECK(a.in > 0 && a.out >= 0 && a.scale > 0, "Resize by ", a.scale, " to ", a.out);
      if (options.transform == Transform::kCrop && roi.size() == 2 * along.size()) {
        a.crop_start = roi[i];
        a.crop_end = roi[i + along.size()];
      }
      const bool same = a.out == a.in && a.scale == 1 && a.crop_start == 0 && a.crop_end == 1;
      if (!same) axes.push_back(a);
    }
    return Resize(options, axes, x);
  });
}

}  // namespace

void AddResizeOperators(OperatorTable& table) {
  table["Resize"] = {.make = MakeResize, .host_inputs = 0b1110};
  table["Upsample"] = {.make = [](const OperatorContext& context) -> absl::StatusOr<Kernel> {
                         if (context.opset >= 10) return absl::UnimplementedError("Upsample after opset 9");
                         return MakeResize(context);
                       },
                       .host_inputs = 0b10};
}

}  // namespace reelsight::inference
