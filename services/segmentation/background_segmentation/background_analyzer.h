// SPDX-License-Identifier: Apache-2.0
//
// The analyzer `background_segmentation`: how much of each frame shows people, and what the rest is where the model has
// classes. Options and result: reelsight/v1/background_segmentation.proto.
#pragma once

#include <memory>

#include "shared/analysis/analyzer.h"
#include "shared/inference/model_source.h"

namespace reelsight::background_segmentation {

// `models` must outlive it.
std::unique_ptr<analysis::Analyzer> MakeBackgroundAnalyzer(inference::ModelSource& models);

}  // namespace reelsight::background_segmentation
