// SPDX-License-Identifier: Apache-2.0
//
// The list of the lightweight service's analyzers: the service and the embedded program take it from here.
#pragma once

#include <memory>
#include <vector>

#include "shared/analysis/analyzer.h"

namespace reelsight::lightweight {

std::vector<std::unique_ptr<analysis::Analyzer>> MakeLightweightAnalyzers();

}  // namespace reelsight::lightweight
