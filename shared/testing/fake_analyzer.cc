// SPDX-License-Identifier: Apache-2.0
#include "shared/testing/fake_analyzer.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace reelsight::testing {

analyzer::v1::AnalyzerDescription FakeAnalyzer::Description(const std::string& name, double sample_fps,
                                                            int batch_frames) {
  analyzer::v1::AnalyzerDescription description;
  description.set_name(name);
  description.set_available(true);
  description.mutable_frame_spec()->set_format(analyzer::v1::PIXEL_FORMAT_GRAY8);
  description.mutable_frame_spec()->set_max_side_px(32);
  description.mutable_sampling()->set_sample_fps(sample_fps);
  description.set_batch_frames(batch_frames);
  return description;
}

absl::StatusOr<std::vector<std::string>> FakeAnalyzer::AnalyzeFrames(const analysis::BatchView& view,
                                                                     const CancelToken& cancel) {
  if (frames_hook_) return frames_hook_(view, cancel);
  std::vector<std::string> payloads;
  for (const analysis::BatchView::Item& item : view.items) {
    if (item.target) payloads.push_back(absl::StrCat(item.frame->index));
  }
  return payloads;
}

absl::StatusOr<analyzer::v1::SummarizeResponse> FakeAnalyzer::Summarize(const analyzer::v1::SummarizeRequest& request,
                                                                        const CancelToken& cancel) {
  if (summarize_hook_) return summarize_hook_(request, cancel);
  std::vector<std::string> frames, dependencies;
  for (const analyzer::v1::FrameResult& result : request.results()) frames.push_back(result.payload());
  for (const analyzer::v1::DependencySummary& dependency : request.dependencies()) {
    if (dependency.has_summary()) dependencies.push_back(dependency.analyzer());
  }
  analyzer::v1::SummarizeResponse response;
  auto& fields = *response.mutable_custom()->mutable_fields();
  fields["frames"].set_string_value(absl::StrJoin(frames, ","));
  fields["dependencies"].set_string_value(absl::StrJoin(dependencies, ","));
  response.set_headline(absl::StrCat(frames.size(), " frames"));
  return response;
}

}  // namespace reelsight::testing
