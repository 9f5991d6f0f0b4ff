// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/stream_info.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "orchestrator/decode/presentation_clock.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::orchestrator {
namespace {

// Wider pixels than this are nonsense in the header.
constexpr double kMaxPixelAspect = 16;

AVRational MeanRate(const AVFormatContext& format, const AVStream& stream) {
  const AVRational rate =
      av_guess_frame_rate(const_cast<AVFormatContext*>(&format), const_cast<AVStream*>(&stream), nullptr);
  const AVRational mean = stream.avg_frame_rate.num > 0 && stream.avg_frame_rate.den > 0 ? stream.avg_frame_rate : rate;
  return mean.num > 0 && mean.den > 0 ? mean : AVRational{25, 1};
}

}  // namespace

Orientation OrientationOf(const int32_t* matrix) {
  Orientation orientation;
  if (matrix == nullptr) return orientation;
  int32_t turn[9];
  std::copy(matrix, matrix + 9, turn);
  const double determinant = static_cast<double>(turn[0]) * turn[4] - static_cast<double>(turn[1]) * turn[3];
  if (determinant < 0) {
    orientation.mirrored = true;
    // A mirrored x axis in the coded picture: what is left is the rotation.
    turn[0] = -turn[0];
    turn[1] = -turn[1];
  }
  const double counterclockwise = av_display_rotation_get(turn);
  if (std::isnan(counterclockwise)) return {};
  const int quarters = static_cast<int>(std::lround(-counterclockwise / 90));
  orientation.rotation_degrees = ((quarters % 4) + 4) % 4 * 90;
  return orientation;
}

const int32_t* DisplayMatrix(const AVStream& stream) {
  size_t size = 0;
  const uint8_t* data = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  return data != nullptr && size >= 9 * sizeof(int32_t) ? reinterpret_cast<const int32_t*>(data) : nullptr;
}

bool IsHighDynamicRange(AVColorTransferCharacteristic transfer) {
  return transfer == AVCOL_TRC_SMPTE2084 || transfer == AVCOL_TRC_ARIB_STD_B67;
}

v1::VideoInfo DescribeStream(const AVFormatContext& format, const AVStream& stream) {
  const AVCodecParameters& codec = *stream.codecpar;
  v1::VideoInfo info;
  info.set_container(format.iformat->name);
  info.set_codec(avcodec_get_name(codec.codec_id));
  int width = codec.width;
  int height = codec.height;
  const AVRational aspect =
      av_guess_sample_aspect_ratio(const_cast<AVFormatContext*>(&format), const_cast<AVStream*>(&stream), nullptr);
  if (aspect.num > 0 && aspect.den > 0) {
    const double pixel_aspect = av_q2d(aspect);
    if (pixel_aspect <= kMaxPixelAspect && pixel_aspect >= 1 / kMaxPixelAspect) {
      width = std::max(1, static_cast<int>(std::lround(width * pixel_aspect)));
    }
  }
  const Orientation orientation = OrientationOf(DisplayMatrix(stream));
  if (orientation.rotation_degrees % 180 != 0) std::swap(width, height);
  info.set_width_px(width);
  info.set_height_px(height);
  info.set_rotation_degrees(orientation.rotation_degrees);
  if (stream.duration != AV_NOPTS_VALUE) {
    *info.mutable_duration() = analysis::ToProto(ToDuration(stream.duration, stream.time_base));
  } else if (format.duration != AV_NOPTS_VALUE) {
    *info.mutable_duration() = analysis::ToProto(absl::Microseconds(format.duration));
  }
  info.set_frame_rate(av_q2d(MeanRate(format, stream)));
  info.set_frame_count(stream.nb_frames);
  if (codec.format != AV_PIX_FMT_NONE) {
    const char* name = av_get_pix_fmt_name(static_cast<AVPixelFormat>(codec.format));
    if (name != nullptr) info.set_pixel_format(name);
  }
  info.set_tone_mapped(IsHighDynamicRange(codec.color_trc));
  return info;
}

int64_t FrameDuration(const AVFormatContext& format, const AVStream& stream) {
  return std::max<int64_t>(1, av_rescale_q(1, av_inv_q(MeanRate(format, stream)), stream.time_base));
}

}  // namespace reelsight::orchestrator
