// SPDX-License-Identifier: Apache-2.0
//
// The analyzer `eye_tracking`: faces, how heads are turned, where eyes look, how open they are, and blinks. Not a face
// recogniser: two tracks may be one person.
//
// Each sampled frame gives the faces of FaceFinder; Summarize joins them into tracks, which end at cuts, and looks for
// blinks in tracks. What cannot be seen is absent: angles of small faces and profiles, gazes of closed or tiny eyes.
#pragma once

#include <memory>

#include "shared/analysis/analyzer.h"
#include "shared/inference/model_source.h"

namespace reelsight::eye_tracking {

// Thread-safe. `models` must outlive it.
std::unique_ptr<analysis::Analyzer> MakeEyeTrackingAnalyzer(inference::ModelSource& models);

}  // namespace reelsight::eye_tracking
