// SPDX-License-Identifier: Apache-2.0
//
// Pads of convolutions and pooling: given, or following from the input's size (`auto_pad`).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/inference/torch/operator.h"

namespace reelsight::inference {

// Pads are in ONNX's order: the begins of all spatial axes, then the ends.
class Padding {
 public:
  static absl::StatusOr<Padding> From(const OperatorContext& context, size_t rank);

  // `sides`: the spatial sides of the input.
  std::vector<int64_t> ForInput(c10::IntArrayRef sides, const std::vector<int64_t>& kernel,
                                const std::vector<int64_t>& strides, const std::vector<int64_t>& dilations) const;
  // Zero where they follow from the size.
  std::vector<int64_t> explicit_pads(size_t rank) const {
    return pads_.empty() ? std::vector<int64_t>(2 * rank) : pads_;
  }
  bool is_auto() const { return mode_ == Mode::kSameUpper || mode_ == Mode::kSameLower; }
  bool is_same_upper() const { return mode_ == Mode::kSameUpper; }

 private:
  enum class Mode { kExplicit, kSameUpper, kSameLower };
  Mode mode_ = Mode::kExplicit;
  std::vector<int64_t> pads_;
};

bool IsSymmetric(const std::vector<int64_t>& pads);
// `tensor` with its last axes padded; `pads` in ONNX's order.
at::Tensor PadSides(const at::Tensor& tensor, const std::vector<int64_t>& pads, double value);

}  // namespace reelsight::inference
