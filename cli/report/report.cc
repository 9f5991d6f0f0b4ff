// SPDX-License-Identifier: Apache-2.0
#include "cli/report/report.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "cli/document.h"
#include "cli/report/report_page.h"

namespace reelsight::report {
namespace {

std::string KeyFrameJson(const KeyFrame& frame) {
  return absl::StrFormat(R"({"offset":%.6f,"shot":%d,"width":%d,"height":%d,"src":"data:image/jpeg;base64,%s"})",
                         absl::ToDoubleSeconds(frame.offset), frame.shot_index, frame.width_px, frame.height_px,
                         absl::Base64Escape(frame.jpeg));
}

}  // namespace

std::string EscapeJsonForHtml(const std::string& json) {
  return absl::StrReplaceAll(
      json,
      {{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}, {"\xE2\x80\xA8", "\\u2028"}, {"\xE2\x80\xA9", "\\u2029"}});
}

std::string EscapeHtml(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string RenderReport(const std::string& name, const std::string& version, const v1::AnalyzeResponse& response,
                         const std::vector<KeyFrame>& key_frames) {
  std::string frames;
  for (const KeyFrame& frame : key_frames) absl::StrAppend(&frames, frames.empty() ? "" : ",\n", KeyFrameJson(frame));
  const std::string data =
      absl::StrCat("{\"name\":", cli::JsonString(name), ",\"version\":", cli::JsonString(version),
                   ",\n\"response\":", cli::ToJson(response, /*pretty=*/false), ",\n\"keyFrames\":[", frames, "]}");
  // One pass: a title that contains `{{data}}` stays text.
  return absl::StrReplaceAll(kReportPage, {{"{{title}}", EscapeHtml(name)}, {"{{data}}", EscapeJsonForHtml(data)}});
}

}  // namespace reelsight::report
