// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/tensor.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace reelsight::inference {
namespace {

constexpr size_t kAlignmentBytes = 64;

}  // namespace

int64_t BytesOf(DType type) {
  switch (type) {
    case DType::kFloat32:
    case DType::kInt32:
      return 4;
    case DType::kFloat16:
      return 2;
    case DType::kUint8:
    case DType::kBool:
      return 1;
    case DType::kInt64:
      return 8;
  }
  return 0;
}

const char* DTypeName(DType type) {
  switch (type) {
    case DType::kFloat32:
      return "float32";
    case DType::kFloat16:
      return "float16";
    case DType::kUint8:
      return "uint8";
    case DType::kInt32:
      return "int32";
    case DType::kInt64:
      return "int64";
    case DType::kBool:
      return "bool";
  }
  return "";
}

int64_t ElementCount(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t side : shape) count *= side;
  return count;
}

std::string ShapeText(const Shape& shape) {
  return absl::StrCat(
      "[",
      absl::StrJoin(shape, ", ", [](std::string* out, int64_t side) { *out += side < 0 ? "?" : absl::StrCat(side); }),
      "]");
}

Tensor::Tensor(DType type, Shape shape) : type_(type), shape_(std::move(shape)) {
  const size_t bytes = static_cast<size_t>(std::max<int64_t>(1, this->bytes()));
  data_ =
      std::shared_ptr<std::byte>(static_cast<std::byte*>(::operator new(bytes, std::align_val_t(kAlignmentBytes))),
                                 [](std::byte* data) { ::operator delete(data, std::align_val_t(kAlignmentBytes)); });
}

Tensor Tensor::Reshaped(Shape shape) const {
  Tensor result = *this;
  result.shape_ = std::move(shape);
  return result;
}

absl::Status CheckFits(const TensorSpec& spec, const Tensor& tensor) {
  bool fits = !tensor.empty() && tensor.type() == spec.type && tensor.shape().size() == spec.shape.size();
  for (size_t i = 0; fits && i < spec.shape.size(); ++i) {
    fits = spec.shape[i] < 0 || spec.shape[i] == tensor.shape()[i];
  }
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tensor ", spec.name, " must be ", DTypeName(spec.type), " ",
                                                 ShapeText(spec.shape), ", not ", DTypeName(tensor.type()), " ",
                                                 ShapeText(tensor.shape())));
}

Tensor Concatenate(std::span<const Tensor> parts) {
  Shape shape = parts[0].shape();
  shape[0] = 0;
  for (const Tensor& part : parts) shape[0] += part.shape()[0];
  Tensor whole(parts[0].type(), shape);
  auto* out = static_cast<std::byte*>(whole.mutable_raw());
  for (const Tensor& part : parts) {
    std::memcpy(out, part.raw(), static_cast<size_t>(part.bytes()));
    out += part.bytes();
  }
  return whole;
}

Tensor Rows(const Tensor& tensor, int64_t begin, int64_t end) {
  Shape shape = tensor.shape();
  const int64_t row_bytes = shape[0] > 0 ? tensor.bytes() / shape[0] : 0;
  shape[0] = end - begin;
  Tensor rows(tensor.type(), shape);
  std::memcpy(rows.mutable_raw(), static_cast<const std::byte*>(tensor.raw()) + begin * row_bytes,
              static_cast<size_t>(rows.bytes()));
  return rows;
}

}  // namespace reelsight::inference
