// SPDX-License-Identifier: Apache-2.0
//
// The list of the detection service's analyzers.
#pragma once

#include <memory>
#include <vector>

#include "shared/analysis/analyzer.h"
#include "shared/inference/model_source.h"

namespace reelsight::detection {

// `models` must outlive the analyzers.
std::vector<std::unique_ptr<analysis::Analyzer>> MakeDetectionAnalyzers(inference::ModelSource& models);

}  // namespace reelsight::detection
