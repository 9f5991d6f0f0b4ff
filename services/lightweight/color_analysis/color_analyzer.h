// SPDX-License-Identifier: Apache-2.0
//
// The analyzer `color_analysis`: dominant colours, brightness, contrast, saturation and colour temperature of the whole
// and of each scene, and black or white spans. Not a colour grader: it measures the pictures as they are displayed.
//
// Each sampled frame becomes sums and a sparse CIELAB histogram (FrameColors); Summarize adds them up. All sampled
// frames weigh the same. Scenes come from `scene_segmentation`; without it each analysed segment is one scene. A scene
// so short that no sampled frame falls into it is listed without colours and statistics. Contrast of a span is that of
// all its pixels together, so a span of one dark and one bright picture has contrast. A blank span reaches from the
// first blank sampled frame to the first one that is not blank; the first frame of a segment stands for the time since
// its start.
#pragma once

#include <memory>

#include "shared/analysis/analyzer.h"

namespace reelsight::color_analysis {

// Thread-safe.
std::unique_ptr<analysis::Analyzer> MakeColorAnalyzer();

}  // namespace reelsight::color_analysis
