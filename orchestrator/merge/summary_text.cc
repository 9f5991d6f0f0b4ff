// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/merge/summary_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::orchestrator {
namespace {

// Lengths that differ by less are the same.
constexpr absl::Duration kSameLength = absl::Milliseconds(50);

}  // namespace

std::string MakeSummaryText(const v1::AnalyzeResponse& response, const std::vector<std::string>& left_out) {
  const v1::VideoInfo& video = response.video();
  const absl::Duration whole = analysis::FromProto(video.duration());
  absl::Duration analyzed;
  for (const v1::Timeline::Scene& scene : response.timeline().scenes()) {
    analyzed += analysis::FromProto(scene.end_offset()) - analysis::FromProto(scene.start_offset());
  }
  std::string summary;
  if (analyzed > absl::ZeroDuration() && analyzed < whole - kSameLength) {
    summary = absl::StrFormat("%.1f s analysed of ", absl::ToDoubleSeconds(analyzed));
  }
  absl::StrAppendFormat(&summary, "%.1f s of %dx%d %s at %.4g frames a second.", absl::ToDoubleSeconds(whole),
                        video.width_px(), video.height_px(), video.codec(), video.frame_rate());
  for (const v1::AnalyzerResult& result : response.results()) {
    if (result.status().code() == v1::AnalyzerStatus::OK) {
      if (!result.headline().empty()) absl::StrAppend(&summary, "\n", result.analyzer(), ": ", result.headline());
    } else {
      absl::StrAppend(&summary, "\n", result.analyzer(), ": ", v1::AnalyzerStatus::Code_Name(result.status().code()),
                      ", ", result.status().message());
    }
  }
  if (!left_out.empty()) {
    absl::StrAppend(&summary, "\nleft out, not available (ListAnalyzers tells why): ", absl::StrJoin(left_out, ", "));
  }
  return summary;
}

}  // namespace reelsight::orchestrator
