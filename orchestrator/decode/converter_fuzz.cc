// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the converter alone: frames of any pixel format and size, with the paddings, strides, cropping and bottom-up
// rows that decoders give, turned, of high dynamic range or not, to pictures of any spec. Planes and pictures lie
// between guard pages, because libyuv and libswscale are not instrumented.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "orchestrator/decode/ffmpeg_handles.h"
#include "orchestrator/decode/frame_converter.h"
#include "orchestrator/decode/guarded_heap.h"

namespace reelsight::orchestrator {
namespace {

using analysis::ImageSize;

// Keeps single inputs fast.
constexpr int64_t kMaxPixels = 1 << 19;
// What avcodec_default_get_buffer2 adds behind a plane, and rounds a row up to.
constexpr int kRowAlign = 64;
constexpr int kTail = 16 + kRowAlign - 1;

// Often one side is extreme, or both are tiny.
ImageSize TakeSize(FuzzedDataProvider& data) {
  int width = data.ConsumeIntegralInRange(1, data.ConsumeBool() ? analysis::kMaxSidePx : 80);
  int height = data.ConsumeIntegralInRange(1, data.ConsumeBool() ? analysis::kMaxSidePx : 80);
  if (data.ConsumeBool()) std::swap(width, height);
  return {width, static_cast<int>(std::clamp<int64_t>(height, 1, std::max<int64_t>(1, kMaxPixels / width)))};
}

// Null if FFmpeg's own check would refuse the frame.
FrameHandle TakeFrame(FuzzedDataProvider& data) {
  FrameHandle frame(av_frame_alloc());
  const ImageSize size = TakeSize(data);
  const auto format = static_cast<AVPixelFormat>(data.ConsumeIntegralInRange(0, AV_PIX_FMT_NB - 1));
  const AVPixFmtDescriptor* const description = av_pix_fmt_desc_get(format);
  if (frame == nullptr || description == nullptr || (description->flags & AV_PIX_FMT_FLAG_HWACCEL) != 0) return nullptr;
  // Room to crop on the left and at the top, as coded blocks give.
  const int crop_x = data.ConsumeIntegralInRange(0, 1) * (1 << description->log2_chroma_w) * 8;
  const int crop_y = data.ConsumeIntegralInRange(0, 1) * (1 << description->log2_chroma_h) * 8;
  const int coded_width = size.width_px + crop_x, coded_height = size.height_px + crop_y;
  if (av_image_fill_linesizes(frame->linesize, format, FFALIGN(coded_width, kRowAlign)) < 0) return nullptr;
  ptrdiff_t strides[4];
  size_t plane_bytes[4];
  for (int i = 0; i < 4; ++i) strides[i] = frame->linesize[i] = FFALIGN(frame->linesize[i], kRowAlign);
  if (av_image_fill_plane_sizes(plane_bytes, format, coded_height, strides) < 0) return nullptr;
  const auto filler = data.ConsumeIntegral<uint8_t>();
  for (int i = 0; i < 4 && plane_bytes[i] > 0; ++i) {
    const size_t bytes = plane_bytes[i] + kTail;
    auto* const plane = static_cast<uint8_t*>(GuardedHeap::Allocate(bytes));
    std::memset(plane, filler + i, bytes);
    frame->data[i] = plane;
  }
  frame->width = coded_width;
  frame->height = coded_height;
  frame->format = format;
  frame->crop_left = static_cast<size_t>(crop_x);
  frame->crop_top = static_cast<size_t>(crop_y);
  if (av_frame_apply_cropping(frame.get(), 0) < 0) return nullptr;
  // Bottom-up, as raw video in AVI may be.
  if (data.ConsumeBool() && (description->flags & AV_PIX_FMT_FLAG_PAL) == 0) {
    for (int i = 0; i < 4 && frame->data[i] != nullptr; ++i) {
      const int rows = i == 1 || i == 2 ? AV_CEIL_RSHIFT(frame->height, description->log2_chroma_h) : frame->height;
      frame->data[i] += static_cast<ptrdiff_t>(frame->linesize[i]) * (rows - 1);
      frame->linesize[i] = -frame->linesize[i];
    }
  }
  frame->color_range = data.ConsumeBool() ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  frame->colorspace = static_cast<AVColorSpace>(data.ConsumeIntegralInRange(0, AVCOL_SPC_NB - 1));
  if (data.ConsumeIntegralInRange(0, 7) == 0) frame->color_trc = AVCOL_TRC_SMPTE2084;
  AVFrameSideData* const matrix = av_frame_new_side_data(frame.get(), AV_FRAME_DATA_DISPLAYMATRIX, 9 * sizeof(int32_t));
  if (matrix == nullptr) return nullptr;
  auto* const turn = reinterpret_cast<int32_t*>(matrix->data);
  av_display_rotation_set(turn, 90.0 * data.ConsumeIntegralInRange(0, 3));
  if (data.ConsumeBool()) av_display_matrix_flip(turn, 1, 0);
  if (data.ConsumeIntegralInRange(0, 15) == 0) data.ConsumeData(turn, 9 * sizeof(int32_t));
  return frame;
}

void Convert(FuzzedDataProvider& data) {
  v1::VideoInfo info;
  const ImageSize displayed = TakeSize(data);
  info.set_width_px(displayed.width_px);
  info.set_height_px(displayed.height_px);
  const auto converter = FrameConverter::Create(info);
  if (!converter.ok()) std::abort();
  while (data.remaining_bytes() > 0) {
    analysis::FrameSpec spec{static_cast<analysis::PixelFormat>(data.ConsumeIntegralInRange(1, 3)), 0, 0, 0};
    if (data.ConsumeBool()) {
      spec.max_side_px = data.ConsumeIntegralInRange(0, 400);
    } else {
      const ImageSize exact = TakeSize(data);
      spec.width_px = exact.width_px;
      spec.height_px = exact.height_px;
    }
    FrameHandle frame = TakeFrame(data);
    if (frame == nullptr) continue;
    const DecodedFrame decoded{0, absl::ZeroDuration(), {frame.release(), FreeByAddress<av_frame_free>()}};
    const GuardedHeap heap;
    analysis::Image image(spec.format, (*converter)->SizeFor(spec));
    if (!analysis::SideProblem(image.size()).empty()) std::abort();
    (void)(*converter)->Convert(decoded, spec, image);
  }
}

}  // namespace
}  // namespace reelsight::orchestrator

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Wide frames of many rows: a few each.
  FuzzedDataProvider provider(data, std::min<size_t>(size, 256));
  av_log_set_level(AV_LOG_QUIET);
  reelsight::orchestrator::Convert(provider);
  reelsight::orchestrator::GuardedHeap::Reset();
  return 0;
}
