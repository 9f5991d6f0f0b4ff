// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/frame_converter.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libyuv/planar_functions.h"
#include "libyuv/rotate.h"
#include "orchestrator/decode/allocation_failures.h"
#include "orchestrator/decode/color_transform.h"
#include "orchestrator/decode/ffmpeg_handles.h"
#include "orchestrator/decode/plane_scaler.h"
#include "orchestrator/decode/stream_info.h"
#include "orchestrator/decode/tone_mapper.h"
#include "shared/base/out_of_memory.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

using analysis::FrameSpec;
using analysis::Image;
using analysis::ImageSize;
using analysis::PixelFormat;

int ChromaSide(int side_px) { return (side_px + 1) / 2; }

absl::Status ConversionFailed(const AVFrame& frame, const char* what) {
  const char* format = av_get_pix_fmt_name(static_cast<AVPixelFormat>(frame.format));
  return MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                   absl::StrCat(what, " failed for a frame of ", frame.width, "x", frame.height, " pixels, format ",
                                format == nullptr ? "unknown" : format));
}

// How the planes of a format lie.
struct Layout {
  // Bits of a sample; 0: not a layout that planes can be taken from one by one.
  int depth = 0;
  bool grey = false;
  // U and V alternate in one plane.
  bool interleaved = false;
  int chroma_shift_x = 0;
  int chroma_shift_y = 0;
};

Layout LayoutOf(const AVFrame& frame) {
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  constexpr uint64_t kOther = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BE |
                              AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BAYER |
                              AV_PIX_FMT_FLAG_FLOAT;
  if (format == nullptr || (format->flags & kOther) != 0) return {};
  Layout layout;
  layout.grey = format->nb_components == 1;
  if (!layout.grey && (format->nb_components < 3 || !(format->flags & AV_PIX_FMT_FLAG_PLANAR))) return {};
  const int depth = format->comp[0].depth;
  const int bytes = (depth + 7) / 8;
  if (depth < 8 || depth > 16 || format->comp[0].shift != 0 || format->comp[0].step != bytes) return {};
  if (!layout.grey) {
    layout.interleaved = format->comp[1].plane == format->comp[2].plane;
    if (layout.interleaved && (bytes != 1 || format->comp[1].offset != 0)) return {};
    if (format->comp[1].depth != depth || format->comp[1].shift != 0) return {};
    layout.chroma_shift_x = format->log2_chroma_w;
    layout.chroma_shift_y = format->log2_chroma_h;
  }
  layout.depth = depth;
  return layout;
}

void RoundTo8Bits(const uint16_t* from, int depth, uint8_t* to, int64_t size) {
  const int shift = depth - 8;
  const int half = 1 << (shift - 1);
  for (int64_t i = 0; i < size; ++i) to[i] = static_cast<uint8_t>(std::min(255, (from[i] + half) >> shift));
}

// Turns one plane of `size` into `to`, whose sides are exchanged at a quarter turn.
void TurnPlane(const uint8_t* from, ImageSize size, const Orientation& turn, uint8_t* to,
               std::vector<uint8_t>& scratch) {
  if (turn.mirrored) {
    scratch.resize(static_cast<size_t>(size.width_px) * size.height_px);
    libyuv::MirrorPlane(from, size.width_px, scratch.data(), size.width_px, size.width_px, size.height_px);
    from = scratch.data();
  }
  const int to_width = turn.rotation_degrees % 180 == 0 ? size.width_px : size.height_px;
  libyuv::RotatePlane(from, size.width_px, to, to_width, size.width_px, size.height_px,
                      static_cast<libyuv::RotationMode>(turn.rotation_degrees));
}

// The same for RGB.
void TurnRgb(const uint8_t* from, ImageSize size, const Orientation& turn, uint8_t* to) {
  const bool quarter = turn.rotation_degrees % 180 != 0;
  const int to_width = quarter ? size.height_px : size.width_px;
  for (int y = 0; y < size.height_px; ++y) {
    for (int x = 0; x < size.width_px; ++x) {
      const int mirrored_x = turn.mirrored ? size.width_px - 1 - x : x;
      int to_x = mirrored_x, to_y = y;
      if (turn.rotation_degrees == 90) to_x = size.height_px - 1 - y, to_y = mirrored_x;
      if (turn.rotation_degrees == 180) to_x = size.width_px - 1 - mirrored_x, to_y = size.height_px - 1 - y;
      if (turn.rotation_degrees == 270) to_x = y, to_y = size.width_px - 1 - mirrored_x;
      std::memcpy(to + 3 * (static_cast<int64_t>(to_y) * to_width + to_x),
                  from + 3 * (static_cast<int64_t>(y) * size.width_px + x), 3);
    }
  }
}

class LibyuvConverter final : public FrameConverter {
 public:
  explicit LibyuvConverter(ImageSize displayed) : displayed_(displayed) {}

  ImageSize SizeFor(const FrameSpec& spec) const override { return analysis::SizeFor(spec, displayed_); }
  absl::Status Convert(const DecodedFrame& decoded, const FrameSpec& spec, Image& image) override;

 private:
  absl::Status ConvertFrame(const AVFrame& decoded, Image& image);
  absl::Status FromPlanes(const AVFrame& frame, const Layout& layout, const Orientation& turn, Image& image);
  absl::Status ByScaler(const AVFrame& frame, const Orientation& turn, Image& image);
  // Component 0 Y, 1 U, 2 V of `frame`, scaled to `scaled` and turned, as 8 bits into `to`, tightly packed.
  absl::Status MakePlane(const AVFrame& frame, const Layout& layout, int component, ImageSize scaled,
                         const Orientation& turn, uint8_t* to);

  const ImageSize displayed_;
  ToneMapper tone_mapper_;
  ScalerHandle scaler_;
  PlaneScaler plane_scaler_;
  // Scratch space, kept between frames.
  std::vector<uint8_t> scaled_;
  std::vector<uint8_t> mirrored_;
  std::vector<uint8_t> interleaved_;
  std::vector<uint16_t> deep_;
  std::array<std::vector<uint8_t>, 3> planes_;
};

absl::Status LibyuvConverter::Convert(const DecodedFrame& decoded, const FrameSpec& spec, Image& image) {
  if (decoded.frame == nullptr || image.format() != spec.format || image.size() != SizeFor(spec)) {
    return MakeError(absl::StatusCode::kInternal, Reason::kInternal, "the image does not fit the frame spec");
  }
  constexpr char kConverting[] = "converting a frame";
  // Filters and scalers call some failures by other names.
  const AllocationWatch memory;
  absl::Status status = OrOutOfMemory(kConverting, [&] { return ConvertFrame(*decoded.frame, image); });
  return memory.failed_here() ? OutOfMemory(kConverting) : status;
}

absl::Status LibyuvConverter::ConvertFrame(const AVFrame& decoded, Image& image) {
  const AVFrame* frame = &decoded;
  if (const std::string problem = analysis::SideProblem({frame->width, frame->height}); !problem.empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLarge, problem);
  }
  const ImageSize size = image.size();
  const AVFrameSideData* matrix = av_frame_get_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX);
  const Orientation turn = OrientationOf(matrix != nullptr && matrix->size >= 9 * sizeof(int32_t)
                                             ? reinterpret_cast<const int32_t*>(matrix->data)
                                             : nullptr);
  FrameHandle tone_mapped;
  if (IsHighDynamicRange(frame->color_trc)) {
    const bool quarter = turn.rotation_degrees % 180 != 0;
    ASSIGN_OR_RETURN(tone_mapped, tone_mapper_.Map(*frame, quarter ? ImageSize{size.height_px, size.width_px} : size));
    frame = tone_mapped.get();
  }
  const Layout layout = LayoutOf(*frame);
  return layout.depth > 0 ? FromPlanes(*frame, layout, turn, image) : ByScaler(*frame, turn, image);
}

absl::Status LibyuvConverter::FromPlanes(const AVFrame& frame, const Layout& layout, const Orientation& turn,
                                         Image& image) {
  const bool quarter = turn.rotation_degrees % 180 != 0;
  const auto upright = [&](int width, int height) {
    return quarter ? ImageSize{height, width} : ImageSize{width, height};
  };
  const int width = image.width_px();
  const int height = image.height_px();
  const int64_t pixels = static_cast<int64_t>(width) * height;
  const YuvEncoding encoding = EncodingOf(frame);
  switch (image.format()) {
    case PixelFormat::kGray8:
      RETURN_IF_ERROR(MakePlane(frame, layout, 0, upright(width, height), turn, image.mutable_plane(0)));
      ToFullRangeLuma(encoding, image.mutable_plane(0), pixels);
      return absl::OkStatus();
    case PixelFormat::kI420:
      for (int i = 0; i < 3; ++i) {
        const ImageSize size = i == 0 ? upright(width, height) : upright(ChromaSide(width), ChromaSide(height));
        RETURN_IF_ERROR(MakePlane(frame, layout, i, size, turn, image.mutable_plane(i)));
      }
      ToBt601Limited(encoding, image);
      return absl::OkStatus();
    case PixelFormat::kRgb24:
      for (int i = 0; i < 3; ++i) {
        planes_[i].resize(pixels);
        RETURN_IF_ERROR(MakePlane(frame, layout, i, upright(width, height), turn, planes_[i].data()));
      }
      ToRgb(encoding, planes_[0].data(), planes_[1].data(), planes_[2].data(), image);
      return absl::OkStatus();
  }
  return ConversionFailed(frame, "conversion");
}

absl::Status LibyuvConverter::MakePlane(const AVFrame& frame, const Layout& layout, int component, ImageSize scaled,
                                        const Orientation& turn, uint8_t* to) {
  const int64_t pixels = static_cast<int64_t>(scaled.width_px) * scaled.height_px;
  if (component > 0 && layout.grey) {
    std::memset(to, 128, pixels);
    return absl::OkStatus();
  }
  const bool upright = turn.rotation_degrees == 0 && !turn.mirrored;
  if (!upright) scaled_.resize(pixels);
  uint8_t* const made = upright ? to : scaled_.data();
  int width = frame.width;
  int height = frame.height;
  if (component > 0) {
    width = AV_CEIL_RSHIFT(width, layout.chroma_shift_x);
    height = AV_CEIL_RSHIFT(height, layout.chroma_shift_y);
  }
  if (component > 0 && layout.interleaved) {
    const int64_t source_pixels = static_cast<int64_t>(width) * height;
    interleaved_.resize(2 * source_pixels);
    uint8_t* const u = interleaved_.data();
    uint8_t* const v = u + source_pixels;
    // Which of the two comes first is in the format's description.
    const bool v_first = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format))->comp[2].offset == 0;
    libyuv::SplitUVPlane(frame.data[1], frame.linesize[1], v_first ? v : u, width, v_first ? u : v, width, width,
                         height);
    plane_scaler_.Scale(component == 1 ? u : v, width, {width, height}, scaled, made);
  } else if (layout.depth == 8) {
    plane_scaler_.Scale(frame.data[component], frame.linesize[component], {width, height}, scaled, made);
  } else {
    deep_.resize(pixels);
    plane_scaler_.Scale(reinterpret_cast<const uint16_t*>(frame.data[component]), frame.linesize[component] / 2,
                        {width, height}, scaled, deep_.data());
    RoundTo8Bits(deep_.data(), layout.depth, made, pixels);
  }
  if (!upright) TurnPlane(made, scaled, turn, to, mirrored_);
  return absl::OkStatus();
}

absl::Status LibyuvConverter::ByScaler(const AVFrame& frame, const Orientation& turn, Image& image) {
  const bool quarter = turn.rotation_degrees % 180 != 0;
  const bool upright = turn.rotation_degrees == 0 && !turn.mirrored;
  const ImageSize size =
      quarter ? ImageSize{image.height_px(), image.width_px()} : ImageSize{image.width_px(), image.height_px()};
  AVPixelFormat to = AV_PIX_FMT_YUV420P;
  if (image.format() == PixelFormat::kRgb24) to = AV_PIX_FMT_RGB24;
  if (image.format() == PixelFormat::kGray8) to = AV_PIX_FMT_GRAY8;
  scaler_.reset(sws_getCachedContext(scaler_.release(), frame.width, frame.height,
                                     static_cast<AVPixelFormat>(frame.format), size.width_px, size.height_px, to,
                                     SWS_AREA | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP, nullptr,
                                     nullptr, nullptr));
  if (scaler_ == nullptr) return ConversionFailed(frame, "making a scaler");
  // RGB has no matrix of its own; scaled from RGB to RGB it goes through YUV and must come back by the same one.
  YuvEncoding encoding = EncodingOf(frame);
  const AVPixFmtDescriptor* const format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  if (format != nullptr && (format->flags & AV_PIX_FMT_FLAG_RGB) != 0) encoding.matrix = AVCOL_SPC_SMPTE170M;
  sws_setColorspaceDetails(scaler_.get(), sws_getCoefficients(encoding.matrix), encoding.full_range ? 1 : 0,
                           sws_getCoefficients(SWS_CS_ITU601), to == AV_PIX_FMT_YUV420P ? 0 : 1, 0, 1 << 16, 1 << 16);
  // libswscale writes whole SIMD registers, past the end of a row and of the last one too: into a frame of FFmpeg's,
  // which has room for that.
  FrameHandle scaled(av_frame_alloc());
  if (scaled == nullptr) return OutOfMemory("scaling a frame");
  scaled->format = to;
  scaled->width = size.width_px;
  scaled->height = size.height_px;
  if (const int error = av_frame_get_buffer(scaled.get(), 64); error < 0) {
    return error == AVERROR(ENOMEM) ? OutOfMemory("scaling a frame") : ConversionFailed(frame, "making a frame");
  }
  if (sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, scaled->data, scaled->linesize) !=
      size.height_px) {
    return ConversionFailed(frame, "scaling");
  }
  // The same layout, before it is turned.
  Image flat(image.format(), size);
  Image& target = upright ? image : flat;
  const int plane_count = image.format() == PixelFormat::kI420 ? 3 : 1;
  for (int i = 0; i < plane_count; ++i) {
    const int width = i == 0 ? size.width_px : ChromaSide(size.width_px);
    const int height = i == 0 ? size.height_px : ChromaSide(size.height_px);
    av_image_copy_plane(target.mutable_plane(i), static_cast<int>(target.stride_bytes(i)), scaled->data[i],
                        scaled->linesize[i], image.format() == PixelFormat::kRgb24 ? 3 * width : width, height);
  }
  if (upright) return absl::OkStatus();
  if (image.format() == PixelFormat::kRgb24) {
    TurnRgb(flat.plane(0), size, turn, image.mutable_plane(0));
    return absl::OkStatus();
  }
  for (int i = 0; i < plane_count; ++i) {
    const ImageSize plane_size = i == 0 ? size : ImageSize{ChromaSide(size.width_px), ChromaSide(size.height_px)};
    TurnPlane(flat.plane(i), plane_size, turn, image.mutable_plane(i), mirrored_);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<FrameConverter>> FrameConverter::Create(const v1::VideoInfo& info) {
  if (const std::string problem = analysis::SideProblem({info.width_px(), info.height_px()}); !problem.empty()) {
    return MakeError(absl::StatusCode::kInternal, Reason::kInternal, absl::StrCat("the video as displayed: ", problem));
  }
  return std::make_unique<LibyuvConverter>(ImageSize{info.width_px(), info.height_px()});
}

}  // namespace reelsight::orchestrator
