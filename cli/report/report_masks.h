// SPDX-License-Identifier: Apache-2.0
//
// Masks of `background_segmentation` for the report's pictures, where the caller asked for none: how they are asked
// for, and how they are kept out of where they are not needed. Drawing them is the page's job (report_overlay.js).
#pragma once

#include <vector>

#include "cli/report/report.h"
#include "reelsight/v1/video_analysis_service.pb.h"

namespace reelsight::report {

// The analyzer that makes masks.
inline constexpr char kMaskAnalyzer[] = "background_segmentation";

// Asks for masks if `request` runs background_segmentation and leaves mask_format open; any format that it names, NONE
// too, stays. PNG mattes of the default model; of a model that the request names run lengths, since a PNG of a model
// with classes holds class numbers and no matte. The size stays the option's (default 256 pixels). Returns whether it
// asked. Where a request names no analyzers, the caller makes sure that this one is available.
bool AskForMasks(v1::AnalyzeRequest* request);

// Takes all masks out of a response.
void ClearMasks(v1::AnalyzeResponse* response);

// Takes out the masks that are drawn on no picture, so that the page grows with its pictures, not with the video.
void KeepMasksOfPictures(const std::vector<KeyFrame>& pictures, v1::AnalyzeResponse* response);

}  // namespace reelsight::report
