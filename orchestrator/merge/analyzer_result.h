// SPDX-License-Identifier: Apache-2.0
//
// Turns what one analyzer answered into its public result. Typed results are placed by their message type, so that a
// new analyzer needs no line here.
#pragma once

#include "absl/time/time.h"
#include "orchestrator/fanout/summary_stage.h"
#include "reelsight/v1/video_analysis_service.pb.h"

namespace reelsight::orchestrator {

v1::AnalyzerStatus ToAnalyzerStatus(const absl::Status& status);
v1::ModelInfo ToModelInfo(const analyzer::v1::Model& model);

// The public result of one analyzer. A typed result that the API has no field for, or that does not parse, makes the
// status INTERNAL. `elapsed`: since the run's start.
v1::AnalyzerResult MakeAnalyzerResult(const PlannedAnalyzer& planned, const AnalyzerOutcome& outcome,
                                      absl::Duration elapsed);

}  // namespace reelsight::orchestrator
