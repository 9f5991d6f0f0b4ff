// SPDX-License-Identifier: Apache-2.0
//
// The analyzer `scene_segmentation`: scenes made of the shots that cut_analysis found. Options and result:
// reelsight/v1/scene_segmentation.proto.
#pragma once

#include <memory>

#include "shared/analysis/analyzer.h"

namespace reelsight::scene_segmentation {

std::unique_ptr<analysis::Analyzer> MakeSceneSegmenter();

}  // namespace reelsight::scene_segmentation
