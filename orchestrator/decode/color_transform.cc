// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/color_transform.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "libyuv/convert_argb.h"

namespace reelsight::orchestrator {
namespace {

// Fixed point: 14 bits keep every product within 32 bits and the error far below one step.
constexpr int kFractionBits = 14;
constexpr int kHalf = 1 << (kFractionBits - 1);

int Fixed(double value) { return static_cast<int>(std::lround(value * (1 << kFractionBits))); }
uint8_t Clip(int value) { return static_cast<uint8_t>(std::clamp(value, 0, 255)); }

// Shares of red and blue in luma.
struct LumaWeights {
  double red;
  double blue;
  double green() const { return 1 - red - blue; }
};

constexpr LumaWeights kBt601 = {0.299, 0.114};

LumaWeights WeightsOf(AVColorSpace matrix) {
  switch (matrix) {
    case AVCOL_SPC_BT709:
      return {0.2126, 0.0722};
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
      return {0.2627, 0.0593};
    case AVCOL_SPC_SMPTE240M:
      return {0.212, 0.087};
    case AVCOL_SPC_FCC:
      return {0.30, 0.11};
    default:
      return kBt601;
  }
}

// Constants for red before blue: libyuv calls RGB24 what lies blue first in memory, and the mirrored constants with U
// and V exchanged turn that round.
const libyuv::YuvConstants& RgbConstants(const YuvEncoding& from) {
  switch (from.matrix) {
    case AVCOL_SPC_BT709:
    case AVCOL_SPC_SMPTE240M:
      return from.full_range ? libyuv::kYvuF709Constants : libyuv::kYvuH709Constants;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
      return from.full_range ? libyuv::kYvuV2020Constants : libyuv::kYvu2020Constants;
    default:
      return from.full_range ? libyuv::kYvuJPEGConstants : libyuv::kYvuI601Constants;
  }
}

}  // namespace

YuvEncoding EncodingOf(const AVFrame& frame) {
  YuvEncoding encoding;
  encoding.matrix = frame.colorspace;
  switch (static_cast<AVPixelFormat>(frame.format)) {
    case AV_PIX_FMT_YUVJ411P:
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ444P:
      encoding.full_range = true;
      break;
    default: {
      const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
      const bool grey = format != nullptr && format->nb_components <= 2;
      encoding.full_range = frame.color_range == AVCOL_RANGE_JPEG || (grey && frame.color_range != AVCOL_RANGE_MPEG);
    }
  }
  return encoding;
}

void ToBt601Limited(const YuvEncoding& from, analysis::Image& i420) {
  const LumaWeights source = WeightsOf(from.matrix);
  const bool same_matrix = source.red == kBt601.red && source.blue == kBt601.blue;
  if (same_matrix && !from.full_range) return;

  // With y, pb, pr of range 0..1 and -0.5..0.5: red = y + 2(1 - red) pr, blue = y + 2(1 - blue) pb, green from luma's
  // definition; then forward with BT.601's weights. Greys stay grey, so chroma does not depend on luma.
  const double red_pr = 2 * (1 - source.red);
  const double blue_pb = 2 * (1 - source.blue);
  const double green_pr = -source.red * red_pr / source.green();
  const double green_pb = -source.blue * blue_pb / source.green();
  const double y_pb = kBt601.green() * green_pb + kBt601.blue * blue_pb;
  const double y_pr = kBt601.red * red_pr + kBt601.green() * green_pr;
  const double pb_pb = (blue_pb - y_pb) / (2 * (1 - kBt601.blue));
  const double pb_pr = -y_pr / (2 * (1 - kBt601.blue));
  const double pr_pb = -y_pb / (2 * (1 - kBt601.red));
  const double pr_pr = (red_pr - y_pr) / (2 * (1 - kBt601.red));

  const double luma_scale = from.full_range ? 219.0 / 255 : 1;
  const double chroma_scale = from.full_range ? 224.0 / 255 : 1;
  // Chroma codes to luma codes.
  const double cross_scale = from.full_range ? 219.0 / 255 : 219.0 / 224;
  const int black = from.full_range ? 0 : 16;
  const int luma = Fixed(luma_scale);
  const int luma_u = Fixed(y_pb * cross_scale);
  const int luma_v = Fixed(y_pr * cross_scale);
  const int u_u = Fixed(pb_pb * chroma_scale);
  const int u_v = Fixed(pb_pr * chroma_scale);
  const int v_u = Fixed(pr_pb * chroma_scale);
  const int v_v = Fixed(pr_pr * chroma_scale);

  const int width = i420.width_px();
  const int height = i420.height_px();
  const int chroma_width = i420.stride_bytes(1);
  for (int row = 0; row < (height + 1) / 2; ++row) {
    uint8_t* u = i420.mutable_plane(1) + static_cast<int64_t>(row) * chroma_width;
    uint8_t* v = i420.mutable_plane(2) + static_cast<int64_t>(row) * chroma_width;
    for (int luma_row = 2 * row; luma_row < std::min(2 * row + 2, height); ++luma_row) {
      uint8_t* y = i420.mutable_plane(0) + static_cast<int64_t>(luma_row) * width;
      for (int x = 0; x < width; ++x) {
        const int cross = luma_u * (u[x / 2] - 128) + luma_v * (v[x / 2] - 128);
        y[x] = Clip(((luma * (y[x] - black) + cross + kHalf) >> kFractionBits) + 16);
      }
    }
    for (int x = 0; x < chroma_width; ++x) {
      const int pb = u[x] - 128;
      const int pr = v[x] - 128;
      u[x] = Clip(((u_u * pb + u_v * pr + kHalf) >> kFractionBits) + 128);
      v[x] = Clip(((v_u * pb + v_v * pr + kHalf) >> kFractionBits) + 128);
    }
  }
}

void ToFullRangeLuma(const YuvEncoding& from, uint8_t* luma, int64_t size) {
  if (from.full_range) return;
  static const std::array<uint8_t, 256> kTable = [] {
    std::array<uint8_t, 256> table;
    for (int i = 0; i < 256; ++i) table[i] = Clip(static_cast<int>(std::lround((i - 16) * 255.0 / 219)));
    return table;
  }();
  for (int64_t i = 0; i < size; ++i) luma[i] = kTable[luma[i]];
}

void ToRgb(const YuvEncoding& from, const uint8_t* y, const uint8_t* u, const uint8_t* v, analysis::Image& rgb) {
  const int width = rgb.width_px();
  libyuv::I444ToRGB24Matrix(y, width, v, width, u, width, rgb.mutable_plane(0), rgb.stride_bytes(0),
                            &RgbConstants(from), width, rgb.height_px());
}

}  // namespace reelsight::orchestrator
