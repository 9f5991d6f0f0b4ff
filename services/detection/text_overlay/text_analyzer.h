// SPDX-License-Identifier: Apache-2.0
//
// The analyzer `text_overlay`: text in sampled frames, read by a pair of detector and recogniser, joined to events. It
// reads whatever is legible: overlays, and signs in the scene alike. Each line of text is an event of its own.
//
// A frame's payload is its readings (text_payload.h); Summarize joins them (text_joiner.h).
#pragma once

#include <memory>

#include "shared/analysis/analyzer.h"
#include "shared/inference/model_source.h"

namespace reelsight::text_overlay {

// Thread-safe. `models` must outlive it.
std::unique_ptr<analysis::Analyzer> MakeTextAnalyzer(inference::ModelSource& models);

}  // namespace reelsight::text_overlay
