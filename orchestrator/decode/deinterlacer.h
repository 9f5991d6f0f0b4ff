// SPDX-License-Identifier: Apache-2.0
//
// Makes whole pictures of interlaced frames, one for each frame. It works beside the decoder and not in FrameConverter,
// because it looks at the frames before and after: so a conversion depends on its frame alone.
#pragma once

#include <cstdint>
#include <deque>

#include "absl/status/status.h"
#include "orchestrator/decode/ffmpeg_handles.h"

namespace reelsight::orchestrator {

// Frames that are not flagged as interlaced pass through untouched. Used by one thread at a time. Holds back one frame.
class Deinterlacer {
 public:
  // True if frames of this format can be deinterlaced.
  static bool Takes(const AVFrame& frame);

  // Takes a frame. After a change of size or format, what was held back comes out first.
  absl::Status Push(FrameHandle frame);
  // No frame follows: what is held back comes out.
  absl::Status Finish();
  // Forgets what is held back.
  void Reset();
  // The next frame, or null if more must be pushed. Its timestamps are those it was pushed with.
  FrameHandle Pull();

 private:
  absl::Status MakeGraph(const AVFrame& frame);
  absl::Status Drain();

  FilterGraphHandle graph_;
  // Owned by the graph.
  AVFilterContext* source_ = nullptr;
  AVFilterContext* sink_ = nullptr;
  int width_px_ = 0;
  int height_px_ = 0;
  int format_ = AV_PIX_FMT_NONE;
  int64_t next_timestamp_ = 0;
  // As pushed, for their timestamps; without pixels.
  std::deque<FrameHandle> pushed_;
  std::deque<FrameHandle> ready_;
};

}  // namespace reelsight::orchestrator
