// SPDX-License-Identifier: Apache-2.0
//
// Brings YUV pictures to what analyzer.v1 promises: BT.601, limited range for I420; full range for RGB24 and GRAY8.
#pragma once

#include <cstdint>

#include "orchestrator/decode/ffmpeg_handles.h"
#include "shared/analysis/image.h"

namespace reelsight::orchestrator {

// How a frame's YUV values stand for colours. What a frame leaves unsaid is taken as FFmpeg takes it: BT.601, limited
// range, but full range for grey formats and those named yuvj*.
struct YuvEncoding {
  AVColorSpace matrix = AVCOL_SPC_SMPTE170M;
  bool full_range = false;
  bool operator==(const YuvEncoding&) const = default;
};

YuvEncoding EncodingOf(const AVFrame& frame);

// Changes an I420 picture in place from `from` to BT.601, limited range. Nothing to do if it is that already. The
// matrices are those of ITU-R BT.601, BT.709, BT.2020 (non-constant luminance), SMPTE 240M and FCC.
void ToBt601Limited(const YuvEncoding& from, analysis::Image& i420);

// Changes luma in place to full range.
void ToFullRangeLuma(const YuvEncoding& from, uint8_t* luma, int64_t size);

// Three planes of the picture's size to RGB.
void ToRgb(const YuvEncoding& from, const uint8_t* y, const uint8_t* u, const uint8_t* v, analysis::Image& rgb);

}  // namespace reelsight::orchestrator
