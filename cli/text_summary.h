// SPDX-License-Identifier: Apache-2.0
//
// An AnalyzeResponse as a page of text for a person: what the video is, its shots and scenes, colours, camera, cuts,
// and what each analyzer spent.
#pragma once

#include <string>

#include "cli/terminal.h"
#include "reelsight/v1/video_analysis_service.pb.h"

namespace reelsight::cli {

// `name` is what the user called the video. Ends with a line end.
std::string TextSummary(const std::string& name, const v1::AnalyzeResponse& response, const Terminal& terminal);

// Names and versions, each device behind the models that run on it: `a 1, b 2 on cuda:0, c 1 on cpu`.
std::string ModelsText(const google::protobuf::RepeatedPtrField<v1::ModelInfo>& models);

// `PAN_LEFT` as `pan left`.
std::string EnumWords(std::string enum_name);

}  // namespace reelsight::cli
