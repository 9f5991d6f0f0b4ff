// SPDX-License-Identifier: Apache-2.0
//
// The analyzer `cut_analysis`: transitions, shots and pace. Options and result: reelsight/v1/cut_analysis.proto.
#pragma once

#include <memory>

#include "shared/analysis/analyzer.h"
#include "shared/inference/model_source.h"

namespace reelsight::cut_analysis {

// `models` must outlive it; nullptr: the classical detector only.
std::unique_ptr<analysis::Analyzer> MakeCutAnalyzer(inference::ModelSource* models = nullptr);

}  // namespace reelsight::cut_analysis
