// SPDX-License-Identifier: Apache-2.0
//
// What picks elements by their values.
#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "absl/status/status.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {
namespace {

absl::StatusOr<Kernel> MakeTopK(const OperatorContext& context) {
  const int64_t axis = context.Int("axis", -1);
  const bool largest = context.Int("largest", 1) != 0;
  const int64_t attribute = context.Int("k", 0);
  return Kernel([axis, largest, attribute](Inputs in, Outputs& out) {
    const int64_t along = WrapAxis(axis, in[0].dim());
    const int64_t k = InputOr(in, 1).defined() ? ToInts(in[1]).at(0) : attribute;
    TORCH_CHECK(k >= 0 && k <= in[0].size(along), "TopK of ", k, " out of ", in[0].size(along));
    // Stable, so that of equal values the first comes first, as ONNX says.
    const auto [values, indices] = at::sort(in[0], std::optional(true), along, largest);
    out.push_back(values.narrow(along, 0, k));
    out.push_back(indices.narrow(along, 0, k));
  });
}

// A box as [y1, x1, y2, x2].
using Box = std::array<float, 4>;

float IntersectionOverUnion(const Box& a, const Box& b) {
  const float height = std::min(a[2], b[2]) - std::max(a[0], b[0]);
  const float width = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  if (height <= 0 || width <= 0) return 0;
  const float area_a = (a[2] - a[0]) * (a[3] - a[1]);
  const float area_b = (b[2] - b[0]) * (b[3] - b[1]);
  const float common = height * width;
  return common / (area_a + area_b - common);
}

std::vector<Box> ToBoxes(const at::Tensor& boxes, bool centred) {
  const auto* data = boxes.const_data_ptr<float>();
  std::vector<Box> result;
  for (int64_t i = 0; i < boxes.size(0); ++i, data += 4) {
    if (centred) {
      result.push_back({data[1] - data[3] / 2, data[0] - data[2] / 2, data[1] + data[3] / 2, data[0] + data[2] / 2});
    } else {
      result.push_back({std::min(data[0], data[2]), std::min(data[1], data[3]), std::max(data[0], data[2]),
                        std::max(data[1], data[3])});
    }
  }
  return result;
}

absl::StatusOr<Kernel> MakeNonMaxSuppression(const OperatorContext& context) {
  const bool centred = context.Int("center_point_box", 0) != 0;
  return Single([centred](Inputs in) {
    const auto number = [&](size_t i, double otherwise) {
      const std::vector<double> values = InputOr(in, i).defined() ? ToDoubles(in[i]) : std::vector<double>();
      return values.empty() ? otherwise : values[0];
    };
    const auto most = static_cast<size_t>(std::max(0.0, number(2, 0)));
    const auto overlap = static_cast<float>(number(3, 0));
    const bool has_threshold = InputOr(in, 4).defined();
    const auto threshold = static_cast<float>(number(4, 0));
    const at::Tensor boxes = in[0].to(at::kCPU, at::kFloat).contiguous();
    const at::Tensor scores = in[1].to(at::kCPU, at::kFloat).contiguous();
    TORCH_CHECK(boxes.dim() == 3 && boxes.size(2) == 4 && scores.dim() == 3 && boxes.size(0) == scores.size(0) &&
                    boxes.size(1) == scores.size(2),
                "boxes and scores do not fit together");
    std::vector<int64_t> kept;
    for (int64_t batch = 0; batch < scores.size(0); ++batch) {
      const std::vector<Box> all = ToBoxes(boxes[batch], centred);
      for (int64_t label = 0; label < scores.size(1); ++label) {
        const at::Tensor row = scores[batch][label];
        const auto* score = row.const_data_ptr<float>();
        std::vector<int64_t> order;
        for (int64_t i = 0; i < row.numel(); ++i) {
          if (!has_threshold || score[i] > threshold) order.push_back(i);
        }
        std::stable_sort(order.begin(), order.end(), [score](int64_t a, int64_t b) { return score[a] > score[b]; });
        std::vector<int64_t> chosen;
        for (const int64_t i : order) {
          if (chosen.size() >= most) break;
          const bool hidden = std::any_of(chosen.begin(), chosen.end(), [&](int64_t j) {
            return IntersectionOverUnion(all[static_cast<size_t>(i)], all[static_cast<size_t>(j)]) > overlap;
          });
          if (!hidden) chosen.push_back(i);
        }
        for (const int64_t i : chosen) kept.insert(kept.end(), {batch, label, i});
      }
    }
    return at::tensor(kept, at::kLong).reshape({-1, 3}).to(in[0].device());
  });
}

absl::StatusOr<Kernel> MakeCompress(const OperatorContext& context) {
  const bool flat = !context.Has("axis");
  const int64_t axis = context.Int("axis", 0);
  return Single([flat, axis](Inputs in) {
    const at::Tensor x = flat ? in[0].flatten() : in[0];
    return x.index_select(flat ? 0 : WrapAxis(axis, x.dim()), at::nonzero(in[1]).reshape({-1}));
  });
}

}  // namespace

void AddSelectionOperators(OperatorTable& table) {
  table["TopK"] = {.make = MakeTopK, .host_inputs = 0b10};
  table["NonMaxSuppression"] = {
      .make = MakeNonMaxSuppression, .min_inputs = 2, .host_inputs = 0b11100, .data_dependent_shape = true};
  table["NonZero"] = {.make = [](const OperatorContext&) -> absl::StatusOr<Kernel> {
                        return Single([](Inputs in) { return at::nonzero(in[0]).t(); });
                      },
                      .data_dependent_shape = true};
  table["Compress"] = {.make = MakeCompress, .min_inputs = 2, .data_dependent_shape = true};
}

}  // namespace reelsight::inference
