// SPDX-License-Identifier: Apache-2.0
//
// The analyzer `object_detection`: objects in sampled frames by a detection network of the catalogue, joined to tracks.
// Not a classifier of scenes, and it recognises nobody.
//
// A frame's payload is its boxes down to a low score; Summarize joins them (tracked_summary/tracked_summary.h). Cuts
// come from `cut_analysis`; without it tracks may live across cuts, never across what lies between two analysed
// segments.
#pragma once

#include <memory>

#include "shared/analysis/analyzer.h"
#include "shared/inference/model_source.h"

namespace reelsight::object_detection {

// Thread-safe. `models` must outlive it.
std::unique_ptr<analysis::Analyzer> MakeObjectAnalyzer(inference::ModelSource& models);

}  // namespace reelsight::object_detection
