// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/torch/padding.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace reelsight::inference {

absl::StatusOr<Padding> Padding::From(const OperatorContext& context, size_t rank) {
  Padding padding;
  const std::string mode = context.String("auto_pad", "NOTSET");
  if (mode == "SAME_UPPER") {
    padding.mode_ = Mode::kSameUpper;
  } else if (mode == "SAME_LOWER") {
    padding.mode_ = Mode::kSameLower;
  } else if (mode == "NOTSET") {
    padding.pads_ = context.Ints("pads");
  } else if (mode != "VALID") {
    return absl::InvalidArgumentError(absl::StrCat("auto_pad ", mode));
  }
  if (!padding.pads_.empty() && padding.pads_.size() != 2 * rank) {
    return absl::InvalidArgumentError(absl::StrCat(padding.pads_.size(), " pads for ", rank, " axes"));
  }
  return padding;
}

std::vector<int64_t> Padding::ForInput(c10::IntArrayRef sides, const std::vector<int64_t>& kernel,
                                       const std::vector<int64_t>& strides,
                                       const std::vector<int64_t>& dilations) const {
  const size_t rank = kernel.size();
  if (!is_auto()) return explicit_pads(rank);
  std::vector<int64_t> pads(2 * rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t out = (sides[i] + strides[i] - 1) / strides[i];
    const int64_t total = std::max<int64_t>(0, (out - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 - sides[i]);
    pads[i] = mode_ == Mode::kSameUpper ? total / 2 : total - total / 2;
    pads[i + rank] = total - pads[i];
  }
  return pads;
}

bool IsSymmetric(const std::vector<int64_t>& pads) {
  const auto half = static_cast<std::ptrdiff_t>(pads.size() / 2);
  return std::equal(pads.begin(), pads.begin() + half, pads.begin() + half) &&
         std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad >= 0; });
}

at::Tensor PadSides(const at::Tensor& tensor, const std::vector<int64_t>& pads, double value) {
  // ATen's order: pairs, the last axis first.
  const size_t rank = pads.size() / 2;
  std::vector<int64_t> pairs;
  for (size_t i = rank; i-- > 0;) {
    pairs.push_back(pads[i]);
    pairs.push_back(pads[i + rank]);
  }
  return at::constant_pad_nd(tensor, pairs, value);
}

}  // namespace reelsight::inference
