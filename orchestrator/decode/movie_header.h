// SPDX-License-Identifier: Apache-2.0
//
// Looks at the index (`moov`) of an MP4 or QuickTime file before FFmpeg does. A few bytes there may stand for billions
// of frames, and FFmpeg makes a table with an entry for each. Not a demuxer.
#pragma once

#include "absl/status/status.h"
#include "orchestrator/decode/video_decoder.h"
#include "orchestrator/source/byte_source.h"
#include "shared/base/cancel_token.h"

namespace reelsight::orchestrator {

// OK for what is no such file. FAILED_PRECONDITION: VIDEO_TOO_LONG if a track has more frames than `limits` allow, or
// an edit list repeats them too often; UNSUPPORTED_CODEC for a compressed index, which cannot be looked into. Or the
// source's errors. What fragments and boxes in odd places declare is not seen here; ContainerBudget bounds them.
absl::Status CheckMovieHeader(ByteSource& source, const VideoDecoder::Limits& limits, const CancelToken& cancel);

}  // namespace reelsight::orchestrator
