// SPDX-License-Identifier: Apache-2.0
//
// The list of the lightweight service's analyzers: the service and the embedded program take it from here.
#pragma once

#include <memory>
#include <vector>

#include "shared/analysis/analyzer.h"
#include "shared/inference/model_source.h"

namespace reelsight::lightweight {

// `models` must outlive the analyzers; nullptr: those that can do without models do.
std::vector<std::unique_ptr<analysis::Analyzer>> MakeLightweightAnalyzers(inference::ModelSource* models = nullptr);

}  // namespace reelsight::lightweight
