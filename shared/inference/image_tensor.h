// SPDX-License-Identifier: Apache-2.0
//
// From a picture to the tensor a model takes, in one pass: resize or warp, letterbox, reorder, normalise. Bilinear,
// with pixel centres at halves, as cv2.resize and cv2.warpAffine with INTER_LINEAR do.
#pragma once

#include <array>

#include "absl/status/statusor.h"
#include "shared/analysis/image.h"
#include "shared/inference/tensor.h"

namespace reelsight::inference {

enum class Fit {
  // The whole input, whatever the aspect ratio.
  kStretch,
  // Keeps the aspect ratio; bars on both sides.
  kLetterboxCentered,
  // Keeps the aspect ratio; picture in the top left corner.
  kLetterboxTopLeft,
};
enum class Layout { kNchw, kNhwc };

struct ImageTensorOptions {
  int width_px = 0;
  int height_px = 0;
  Fit fit = Fit::kStretch;
  Layout layout = Layout::kNchw;
  // kFloat32, or kUint8 (rounded), or kInt32 (rounded).
  DType type = DType::kFloat32;
  // Element = (value - mean) * scale, value in [0, 255], channels in the order red, green, blue.
  std::array<float, 3> mean = {0, 0, 0};
  std::array<float, 3> scale = {1, 1, 1};
  // Value of bars, before normalising, in [0, 255].
  float fill = 114;
  // Channels in the order blue, green, red.
  bool bgr = false;
  // WarpToTensor only: beyond the picture's edges lies its nearest pixel instead of `fill`.
  bool repeat_edges = false;
};

// x' = a x + b y + c and y' = d x + e y + f; a pixel (i, j) covers [i, i+1) x [j, j+1).
struct Affine {
  double a = 1, b = 0, c = 0;
  double d = 0, e = 1, f = 0;

  void Apply(double x, double y, double* out_x, double* out_y) const {
    *out_x = a * x + b * y + c;
    *out_y = d * x + e * y + f;
  }
};

// A tensor of shape [1, 3, height, width] or [1, height, width, 3], and where its pixels lie in the picture.
struct PlacedTensor {
  Tensor tensor;
  // From input pixels to picture coordinates as fractions in [0, 1].
  Affine to_picture;
};

// RGB24 or I420. INVALID_ARGUMENT for another layout.
absl::StatusOr<PlacedTensor> ToTensor(const analysis::Image& image, const ImageTensorOptions& options);

// The part of the picture that `to_picture` (input pixels -> picture pixels) names, which may be turned and may reach
// beyond the edges: there it is `options.fill`. `options.fit` is not used. RGB24 only, else INVALID_ARGUMENT.
absl::StatusOr<PlacedTensor> WarpToTensor(const analysis::Image& image, const Affine& to_picture_px,
                                          const ImageTensorOptions& options);

}  // namespace reelsight::inference
