// SPDX-License-Identifier: Apache-2.0
//
// Maps frames of high dynamic range (PQ, HLG) to standard range, scaled on the way because the mapping works in
// floating point and is slow.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/decode/ffmpeg_handles.h"
#include "shared/analysis/image.h"

namespace reelsight::orchestrator {

// Used by one thread at a time. What it makes of a frame depends on that frame alone.
class ToneMapper {
 public:
  // A frame of `size`, yuv444p, BT.601, limited range. INTERNAL if the filters refuse the frame.
  absl::StatusOr<FrameHandle> Map(const AVFrame& frame, analysis::ImageSize size);

 private:
  // A filter graph for one kind of frame and one size.
  struct Graph {
    AVPixelFormat format;
    analysis::ImageSize from;
    analysis::ImageSize to;
    AVColorTransferCharacteristic transfer;
    FilterGraphHandle graph;
    // Owned by the graph.
    AVFilterContext* source = nullptr;
    AVFilterContext* sink = nullptr;
  };
  absl::StatusOr<Graph*> GraphFor(const AVFrame& frame, analysis::ImageSize size);

  std::vector<Graph> graphs_;
};

}  // namespace reelsight::orchestrator
