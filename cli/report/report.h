// SPDX-License-Identifier: Apache-2.0
//
// The HTML report: an AnalyzeResponse and some key frames as one page that needs no network. It reads no video;
// key_frames.h makes the pictures.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "reelsight/v1/video_analysis_service.pb.h"

namespace reelsight::report {

// A picture of the video.
struct KeyFrame {
  // Its presentation time.
  absl::Duration offset;
  // Its shot's place, from 0, among all shots of the timeline.
  int shot_index = 0;
  int width_px = 0;
  int height_px = 0;
  // A JPEG file.
  std::string jpeg;
};

// The page. `name` is what the user calls the video, `version` the program's. Nothing in the data can leave the
// page's data element: see EscapeJsonForHtml.
std::string RenderReport(const std::string& name, const std::string& version, const v1::AnalyzeResponse& response,
                         const std::vector<KeyFrame>& key_frames);

// JSON that may stand in a <script> element: <, >, &, and the line ends U+2028 and U+2029 are written as \uXXXX, so no
// string can hold `</script>` or `<!--`. They occur inside strings only, where the escape means the same.
std::string EscapeJsonForHtml(const std::string& json);

// Text as HTML, also inside an attribute's quotes.
std::string EscapeHtml(const std::string& text);

}  // namespace reelsight::report
