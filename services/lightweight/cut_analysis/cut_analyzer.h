// SPDX-License-Identifier: Apache-2.0
//
// The analyzer `cut_analysis`: transitions, shots and pace. Options and result: reelsight/v1/cut_analysis.proto.
#pragma once

#include <memory>

#include "shared/analysis/analyzer.h"

namespace reelsight::cut_analysis {

// With the classical detector.
std::unique_ptr<analysis::Analyzer> MakeCutAnalyzer();

}  // namespace reelsight::cut_analysis
