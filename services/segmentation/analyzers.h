// SPDX-License-Identifier: Apache-2.0
//
// The list of the segmentation service's analyzers.
#pragma once

#include <memory>
#include <vector>

#include "shared/analysis/analyzer.h"
#include "shared/inference/model_source.h"

namespace reelsight::segmentation {

// `models` must outlive the analyzers.
std::vector<std::unique_ptr<analysis::Analyzer>> MakeSegmentationAnalyzers(inference::ModelSource& models);

}  // namespace reelsight::segmentation
