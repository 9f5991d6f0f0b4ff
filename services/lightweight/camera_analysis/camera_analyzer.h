// SPDX-License-Identifier: Apache-2.0
//
// The analyzer `camera_analysis`: how the camera moves in each shot. Not a tracker of objects: a moving foreground is
// what it looks past.
//
// It samples pairs of neighbouring decoded frames, because a longer gap would hide shake. AnalyzeFrames measures the
// motion of each pair (GlobalMotion); Summarize names it over time within the shots of `cut_analysis` (SegmentMotion).
// Rates are instantaneous: a zoom of z means that the picture's size changes as exp(z t).
//
// The samples of the result are the pairs' own. A segment takes the speed of a slow even motion from small pictures of
// the sampled frames, over up to three sampling intervals: that is exact also where compression hides slow motion
// between neighbours or frames are shown twice.
//
// Limits: a foreground that covers most of the textured picture passes for the background; where a clip repeats frames
// in step with the sampling, so that no repeated one is sampled, fast motion is measured too fast by that ratio;
// irregular motion is described by its strength only; a span without texture is STATIC with score 0.
#pragma once

#include <memory>

#include "shared/analysis/analyzer.h"

namespace reelsight::camera_analysis {

// Thread-safe. Sets OpenCV's own thread count to 1 for the whole process: work is parallel over batches instead.
std::unique_ptr<analysis::Analyzer> MakeCameraAnalyzer();

}  // namespace reelsight::camera_analysis
