// SPDX-License-Identifier: Apache-2.0
//
// Demuxes and decodes the video stream of one source, once, in presentation order. Not a converter: FrameConverter
// makes pictures of its frames.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/plan/frame_schedule.h"
#include "orchestrator/source/byte_source.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/base/cancel_token.h"

struct AVFrame;

namespace reelsight::orchestrator {

// A decoded frame, still in the decoder's format. Copies share the pixels.
struct DecodedFrame {
  // Place among the video's frames in presentation order, from 0, also counting frames that were skipped.
  int64_t index = 0;
  // Presentation time from the start of the video: that of the first frame displayed is 0.
  absl::Duration offset;
  std::shared_ptr<const AVFrame> frame;
  // What the schedule says of it; empty without a schedule.
  FrameDecision decision;
};

// Used by one thread at a time.
class VideoDecoder {
 public:
  // Bounds; over them Open or Next fails with FAILED_PRECONDITION, VIDEO_TOO_LARGE or VIDEO_TOO_LONG. That of pixels
  // holds for frames as coded and as displayed, and beside it no side may be longer than analysis::kMaxSidePx.
  struct Limits {
    int64_t max_frame_pixels = 33'177'600;
    absl::Duration max_duration = absl::Minutes(30);
    int64_t max_frames = 216'000;
  };
  struct Options {
    // Decoder threads; 0: one more than there are processors. More threads add latency and memory of one frame each.
    int thread_count = 0;
    Limits limits;
  };

  virtual ~VideoDecoder() = default;

  // Reads the headers. Errors: INVALID_ARGUMENT (SOURCE_NOT_VIDEO, SOURCE_IS_WEB_PAGE, SOURCE_EMPTY, SOURCE_TRUNCATED),
  // FAILED_PRECONDITION (UNSUPPORTED_CODEC and the limits), RESOURCE_EXHAUSTED (OUT_OF_MEMORY), the source's errors,
  // the token's status.
  static absl::StatusOr<std::unique_ptr<VideoDecoder>> Open(std::unique_ptr<ByteSource> source, Options options,
                                                            const CancelToken& cancel);

  // What the headers say; frame_count, duration and decode_errors are exact once Next has returned nullopt.
  virtual const v1::VideoInfo& info() const = 0;
  // From here on, frames carry the decisions of `schedule`, which must outlive the decoder. Where the container allows,
  // it is asked before a frame is decoded, and Next leaves frames out that are neither taken nor neighbours of one that
  // is. REQUIRES: nothing was read yet.
  virtual void Follow(FrameSchedule& schedule) = 0;
  // The next frame, or nullopt at the end. A damaged frame comes as the decoder mends it, and is counted; one that
  // cannot be decoded is counted and stepped over; if none was whole, INVALID_ARGUMENT (DECODE_FAILED,
  // SOURCE_TRUNCATED). Frames that are missing because memory was short are no such frames: RESOURCE_EXHAUSTED
  // (OUT_OF_MEMORY), at the latest at the end. Blocks for reading and decoding.
  virtual absl::StatusOr<std::optional<DecodedFrame>> Next() = 0;
  // Goes on with the first frame at or after `offset`. Frames keep the index they would have had. Cheap where the
  // container has an index. Only forward.
  virtual absl::Status SkipTo(absl::Duration offset) = 0;
  // Bytes read from the source so far.
  virtual int64_t source_bytes() const = 0;
};

}  // namespace reelsight::orchestrator
