// SPDX-License-Identifier: Apache-2.0
//
// Dense tensors in host memory, as engines take and give them. Not an array library: no arithmetic, no views.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace reelsight::inference {

enum class DType { kFloat32, kFloat16, kUint8, kInt32, kInt64, kBool };

int64_t BytesOf(DType type);
const char* DTypeName(DType type);

using Shape = std::vector<int64_t>;

// Product of the sides; 1 for a scalar. REQUIRES: no side is negative.
int64_t ElementCount(const Shape& shape);
// As in `[1, 3, ?, 640]`.
std::string ShapeText(const Shape& shape);

// Row-major, aligned to 64 bytes. Copies share the elements, so a copy is cheap; whoever writes must be alone.
// Thread-safe as a shared_ptr is.
class Tensor {
 public:
  Tensor() = default;
  // Unset elements. REQUIRES: no side is negative.
  Tensor(DType type, Shape shape);

  DType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  int64_t count() const { return ElementCount(shape_); }
  int64_t bytes() const { return count() * BytesOf(type_); }
  bool empty() const { return data_ == nullptr; }

  const void* raw() const { return data_.get(); }
  void* mutable_raw() { return data_.get(); }
  // REQUIRES: T is the element type.
  template <typename T>
  std::span<const T> values() const {
    return {static_cast<const T*>(raw()), static_cast<size_t>(count())};
  }
  template <typename T>
  std::span<T> mutable_values() {
    return {static_cast<T*>(mutable_raw()), static_cast<size_t>(count())};
  }
  // The same elements in another shape. REQUIRES: equal count().
  Tensor Reshaped(Shape shape) const;

 private:
  DType type_ = DType::kFloat32;
  Shape shape_;
  std::shared_ptr<std::byte> data_;
};

// An input or output of a model. Sides that the model leaves open are -1.
struct TensorSpec {
  std::string name;
  DType type = DType::kFloat32;
  Shape shape;
};

// INVALID_ARGUMENT, naming `spec` and both shapes, unless `tensor` fits it.
absl::Status CheckFits(const TensorSpec& spec, const Tensor& tensor);

// One tensor of many along side 0. REQUIRES: at least one; equal types; equal shapes but for side 0.
Tensor Concatenate(std::span<const Tensor> parts);
// Rows [begin, end) of side 0, copied.
Tensor Rows(const Tensor& tensor, int64_t begin, int64_t end);

}  // namespace reelsight::inference
