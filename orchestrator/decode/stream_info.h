// SPDX-License-Identifier: Apache-2.0
//
// What a stream's headers say of the video, in the API's terms.
#pragma once

#include <cstdint>

#include "orchestrator/decode/ffmpeg_handles.h"
#include "reelsight/v1/video_analysis_service.pb.h"

namespace reelsight::orchestrator {

// How a coded picture is turned for display: mirrored left to right first, then rotated clockwise.
struct Orientation {
  // 0, 90, 180 or 270.
  int rotation_degrees = 0;
  bool mirrored = false;
};

// Of a display matrix as av_display_rotation_get takes it, nine values; null: upright. Angles are rounded to the next
// quarter turn.
Orientation OrientationOf(const int32_t* matrix);

// The stream's display matrix, or null.
const int32_t* DisplayMatrix(const AVStream& stream);

// True if pictures of this transfer function need tone mapping.
bool IsHighDynamicRange(AVColorTransferCharacteristic transfer);

// Frame count, duration and rate are the container's.
v1::VideoInfo DescribeStream(const AVFormatContext& format, const AVStream& stream);

// Distance of frames by the stream's mean rate, in its time base; at least 1.
int64_t FrameDuration(const AVFormatContext& format, const AVStream& stream);

}  // namespace reelsight::orchestrator
