// SPDX-License-Identifier: Apache-2.0
//
// What a run found, in words.
#pragma once

#include <string>
#include <vector>

#include "reelsight/v1/video_analysis_service.pb.h"

namespace reelsight::orchestrator {

// A few lines for a person: the video, then each headline or failure, then the analyzers that a run of all left out.
std::string MakeSummaryText(const v1::AnalyzeResponse& response, const std::vector<std::string>& left_out);

}  // namespace reelsight::orchestrator
