// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/image_tensor.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libyuv/convert.h"
#include "libyuv/convert_argb.h"
#include "libyuv/convert_from_argb.h"

namespace reelsight::inference {
namespace {

using analysis::Image;
using analysis::PixelFormat;

constexpr int kChannels = 3;

// Rows of a picture as interleaved RGB, whatever its layout. Not thread-safe.
class RgbRows {
 public:
  explicit RgbRows(const Image& image) : image_(image) {
    if (image.format() == PixelFormat::kI420) row_.resize(static_cast<size_t>(image.width_px()) * kChannels);
  }

  // Valid until the next call.
  const uint8_t* Row(int y) {
    if (image_.format() == PixelFormat::kRgb24) {
      return image_.plane(0) + static_cast<ptrdiff_t>(y) * image_.stride_bytes(0);
    }
    // libyuv's RAW is R, G, B in memory.
    libyuv::I420ToRAW(image_.plane(0) + static_cast<ptrdiff_t>(y) * image_.stride_bytes(0), image_.stride_bytes(0),
                      image_.plane(1) + static_cast<ptrdiff_t>(y / 2) * image_.stride_bytes(1), image_.stride_bytes(1),
                      image_.plane(2) + static_cast<ptrdiff_t>(y / 2) * image_.stride_bytes(2), image_.stride_bytes(2),
                      row_.data(), static_cast<int>(row_.size()), image_.width_px(), 1);
    return row_.data();
  }

 private:
  const Image& image_;
  std::vector<uint8_t> row_;
};

// Writes rows of three planes of floats into the tensor: reorders, normalises, rounds.
class RowWriter {
 public:
  RowWriter(const ImageTensorOptions& options, Tensor& tensor) : options_(options), tensor_(tensor) {}

  // Pixels [begin, begin + count) of row `y` of the input; `planes[c]` holds channel c.
  void Write(int y, int begin, int count, const std::array<const float*, kChannels>& planes) {
    if (options_.type == DType::kFloat32) {
      Put<float>(y, begin, count, planes, [](float value) { return value; });
    } else if (options_.type == DType::kUint8) {
      Put<uint8_t>(y, begin, count, planes,
                   [](float value) { return static_cast<uint8_t>(std::clamp(value, 0.0F, 255.0F) + 0.5F); });
    } else {
      Put<int32_t>(y, begin, count, planes, [](float value) { return static_cast<int32_t>(std::lround(value)); });
    }
  }

 private:
  template <typename T, typename Convert>
  void Put(int y, int begin, int count, const std::array<const float*, kChannels>& planes, Convert convert) {
    T* const all = tensor_.mutable_values<T>().data();
    const ptrdiff_t width = options_.width_px, height = options_.height_px;
    for (int channel = 0; channel < kChannels; ++channel) {
      const int source = options_.bgr ? kChannels - 1 - channel : channel;
      const float mean = options_.mean[source], scale = options_.scale[source];
      const float* const in = planes[source];
      if (options_.layout == Layout::kNchw) {
        T* const out = all + (channel * height + y) * width + begin;
        for (int x = 0; x < count; ++x) out[x] = convert((in[x] - mean) * scale);
      } else {
        T* const out = all + (y * width + begin) * kChannels + channel;
        for (int x = 0; x < count; ++x) out[x * kChannels] = convert((in[x] - mean) * scale);
      }
    }
  }

  const ImageTensorOptions& options_;
  Tensor& tensor_;
};

// Where one output position reads along one axis: two neighbours and the weight of the second.
struct Tap {
  int first = 0;
  int second = 0;
  float weight = 0;
};

std::vector<Tap> Taps(int in_size, int out_size) {
  std::vector<Tap> taps(static_cast<size_t>(out_size));
  for (int i = 0; i < out_size; ++i) {
    const double place = (i + 0.5) * in_size / out_size - 0.5;
    const double floor = std::floor(place);
    taps[i].first = std::clamp(static_cast<int>(floor), 0, in_size - 1);
    taps[i].second = std::clamp(static_cast<int>(floor) + 1, 0, in_size - 1);
    taps[i].weight = static_cast<float>(place - floor);
  }
  return taps;
}

// Separable bilinear resize, one horizontal pass for each source row that is needed.
class Resizer {
 public:
  Resizer(const Image& image, int width_px, int height_px)
      : rows_(image), columns_(Taps(image.width_px(), width_px)), lines_(Taps(image.height_px(), height_px)) {
    for (Line& line : cache_) line.values.resize(static_cast<size_t>(width_px) * kChannels);
    blended_.resize(static_cast<size_t>(width_px) * kChannels);
  }

  // Planes of output row `y`, valid until the next call.
  std::array<const float*, kChannels> Row(int y) {
    const Tap& tap = lines_[static_cast<size_t>(y)];
    const float* const above = Horizontal(tap.first, tap.second);
    const float* const below = Horizontal(tap.second, tap.first);
    for (size_t i = 0; i < blended_.size(); ++i) blended_[i] = above[i] + (below[i] - above[i]) * tap.weight;
    const size_t width = columns_.size();
    return {blended_.data(), blended_.data() + width, blended_.data() + 2 * width};
  }

 private:
  struct Line {
    int y = -1;
    std::vector<float> values;
  };

  // Row `y` of the picture at output width. Row `keep` stays cached.
  const float* Horizontal(int y, int keep) {
    for (const Line& line : cache_) {
      if (line.y == y) return line.values.data();
    }
    Line& line = cache_[0].y == keep ? cache_[1] : cache_[0];
    line.y = y;
    const uint8_t* const row = rows_.Row(y);
    const size_t width = columns_.size();
    for (size_t x = 0; x < width; ++x) {
      const Tap& tap = columns_[x];
      const uint8_t* const first = row + static_cast<ptrdiff_t>(tap.first) * kChannels;
      const uint8_t* const second = row + static_cast<ptrdiff_t>(tap.second) * kChannels;
      for (size_t c = 0; c < kChannels; ++c) {
        line.values[c * width + x] =
            static_cast<float>(first[c]) + static_cast<float>(second[c] - first[c]) * tap.weight;
      }
    }
    return line.values.data();
  }

  RgbRows rows_;
  const std::vector<Tap> columns_;
  const std::vector<Tap> lines_;
  std::array<Line, 2> cache_;
  std::vector<float> blended_;
};

// Values of an RGB24 picture between its pixels.
class BilinearSampler {
 public:
  BilinearSampler(const Image& image, const ImageTensorOptions& options)
      : pixels_(image.plane(0)),
        stride_(image.stride_bytes(0)),
        width_(image.width_px()),
        height_(image.height_px()),
        repeat_edges_(options.repeat_edges),
        fill_(options.fill) {}

  // Channel c of the place, pixels counted by their centres, at out[c * step].
  void Sample(double x, double y, float* out, size_t step) const {
    if (x >= 0 && y >= 0 && x < width_ - 1 && y < height_ - 1) {
      const int left = static_cast<int>(x), top = static_cast<int>(y);
      const uint8_t* const upper = pixels_ + top * stride_ + static_cast<ptrdiff_t>(left) * kChannels;
      const uint8_t* const lower = upper + stride_;
      const auto right_share = static_cast<float>(x - left), below_share = static_cast<float>(y - top);
      for (int c = 0; c < kChannels; ++c) {
        out[static_cast<size_t>(c) * step] =
            Blend(upper[c], upper[c + kChannels], lower[c], lower[c + kChannels], right_share, below_share);
      }
    } else if (!repeat_edges_ && (x <= -1 || y <= -1 || x >= width_ || y >= height_)) {
      for (int c = 0; c < kChannels; ++c) out[static_cast<size_t>(c) * step] = fill_;
    } else {
      SampleAtEdge(std::clamp(x, -2.0, width_ + 1.0), std::clamp(y, -2.0, height_ + 1.0), out, step);
    }
  }

 private:
  static float Blend(float upper_left, float upper_right, float lower_left, float lower_right, float right_share,
                     float below_share) {
    const float upper = upper_left + (upper_right - upper_left) * right_share;
    const float lower = lower_left + (lower_right - lower_left) * right_share;
    return upper + (lower - upper) * below_share;
  }

  void SampleAtEdge(double x, double y, float* out, size_t step) const {
    const int left = static_cast<int>(std::floor(x)), top = static_cast<int>(std::floor(y));
    const auto right_share = static_cast<float>(x - left), below_share = static_cast<float>(y - top);
    for (int c = 0; c < kChannels; ++c) {
      out[static_cast<size_t>(c) * step] = Blend(Value(left, top, c), Value(left + 1, top, c), Value(left, top + 1, c),
                                                 Value(left + 1, top + 1, c), right_share, below_share);
    }
  }

  float Value(int x, int y, int c) const {
    if (repeat_edges_) {
      x = std::clamp(x, 0, width_ - 1);
      y = std::clamp(y, 0, height_ - 1);
    }
    if (x < 0 || y < 0 || x >= width_ || y >= height_) return fill_;
    return pixels_[y * stride_ + static_cast<ptrdiff_t>(x) * kChannels + c];
  }

  const uint8_t* const pixels_;
  const ptrdiff_t stride_;
  const int width_;
  const int height_;
  const bool repeat_edges_;
  const float fill_;
};

Tensor MakeTensor(const ImageTensorOptions& options) {
  const int64_t width = options.width_px, height = options.height_px;
  return Tensor(options.type, options.layout == Layout::kNchw ? Shape{1, kChannels, height, width}
                                                              : Shape{1, height, width, kChannels});
}

absl::Status CheckOptions(const ImageTensorOptions& options) {
  if (options.width_px < 1 || options.height_px < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a model input of ", options.width_px, "x", options.height_px, " pixels"));
  }
  if (options.type != DType::kFloat32 && options.type != DType::kUint8 && options.type != DType::kInt32) {
    return absl::InvalidArgumentError(absl::StrCat("a picture as ", DTypeName(options.type)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PlacedTensor> ToTensor(const Image& image, const ImageTensorOptions& options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  if (image.format() != PixelFormat::kRgb24 && image.format() != PixelFormat::kI420) {
    return absl::InvalidArgumentError("a picture for a model must be RGB24 or I420");
  }
  int width = options.width_px, height = options.height_px, left = 0, top = 0;
  if (options.fit != Fit::kStretch) {
    const double factor = std::min(static_cast<double>(options.width_px) / image.width_px(),
                                   static_cast<double>(options.height_px) / image.height_px());
    width = std::clamp(static_cast<int>(std::lround(image.width_px() * factor)), 1, options.width_px);
    height = std::clamp(static_cast<int>(std::lround(image.height_px() * factor)), 1, options.height_px);
    if (options.fit == Fit::kLetterboxCentered) {
      left = (options.width_px - width) / 2;
      top = (options.height_px - height) / 2;
    }
  }
  PlacedTensor placed = {.tensor = MakeTensor(options), .to_picture = {}};
  placed.to_picture = {.a = 1.0 / width,
                       .b = 0,
                       .c = -static_cast<double>(left) / width,
                       .d = 0,
                       .e = 1.0 / height,
                       .f = -static_cast<double>(top) / height};
  RowWriter writer(options, placed.tensor);
  const std::vector<float> fill(static_cast<size_t>(options.width_px), options.fill);
  const std::array<const float*, kChannels> bar = {fill.data(), fill.data(), fill.data()};
  Resizer resizer(image, width, height);
  for (int y = 0; y < options.height_px; ++y) {
    if (y < top || y >= top + height) {
      writer.Write(y, 0, options.width_px, bar);
      continue;
    }
    if (left > 0) writer.Write(y, 0, left, bar);
    writer.Write(y, left, width, resizer.Row(y - top));
    if (left + width < options.width_px) writer.Write(y, left + width, options.width_px - left - width, bar);
  }
  return placed;
}

absl::StatusOr<PlacedTensor> WarpToTensor(const Image& image, const Affine& to_picture_px,
                                          const ImageTensorOptions& options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  if (image.format() != PixelFormat::kRgb24) {
    return absl::InvalidArgumentError("a picture to warp must be RGB24");
  }
  PlacedTensor placed = {.tensor = MakeTensor(options), .to_picture = {}};
  const double unit_x = 1.0 / image.width_px(), unit_y = 1.0 / image.height_px();
  placed.to_picture = {.a = to_picture_px.a * unit_x,
                       .b = to_picture_px.b * unit_x,
                       .c = to_picture_px.c * unit_x,
                       .d = to_picture_px.d * unit_y,
                       .e = to_picture_px.e * unit_y,
                       .f = to_picture_px.f * unit_y};
  RowWriter writer(options, placed.tensor);
  const size_t width = static_cast<size_t>(options.width_px);
  std::vector<float> planes(width * kChannels);
  const BilinearSampler sampler(image, options);
  for (int y = 0; y < options.height_px; ++y) {
    for (int x = 0; x < options.width_px; ++x) {
      double source_x = 0, source_y = 0;
      to_picture_px.Apply(x + 0.5, y + 0.5, &source_x, &source_y);
      sampler.Sample(source_x - 0.5, source_y - 0.5, planes.data() + x, width);
    }
    writer.Write(y, 0, options.width_px, {planes.data(), planes.data() + width, planes.data() + 2 * width});
  }
  return placed;
}

}  // namespace reelsight::inference
