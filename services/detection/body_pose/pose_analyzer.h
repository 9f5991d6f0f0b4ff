// SPDX-License-Identifier: Apache-2.0
//
// The analyzer `body_pose`: people and their joints in sampled frames by a pose network of the catalogue, joined to
// tracks, with a few simple actions. Not a recogniser of persons.
#pragma once

#include <memory>

#include "shared/analysis/analyzer.h"
#include "shared/inference/model_source.h"

namespace reelsight::body_pose {

// Thread-safe. `models` must outlive it.
std::unique_ptr<analysis::Analyzer> MakePoseAnalyzer(inference::ModelSource& models);

}  // namespace reelsight::body_pose
