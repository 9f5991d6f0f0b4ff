// SPDX-License-Identifier: Apache-2.0
//
// An analyzer for tests of everything around analyzers. It is in no product.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "shared/analysis/analyzer.h"

namespace reelsight::testing {

// By default every frame's payload is its index in decimal, and the summary a Struct with the field `frames` = the
// indexes joined by commas and `dependencies` = names of the dependencies that succeeded. Hooks replace both.
class FakeAnalyzer final : public analysis::Analyzer {
 public:
  using FramesHook =
      std::function<absl::StatusOr<std::vector<std::string>>(const analysis::BatchView&, const CancelToken&)>;
  using SummarizeHook = std::function<absl::StatusOr<analyzer::v1::SummarizeResponse>(
      const analyzer::v1::SummarizeRequest&, const CancelToken&)>;

  explicit FakeAnalyzer(analyzer::v1::AnalyzerDescription description) : description_(std::move(description)) {}
  // A description with GRAY8 at 32 px, `sample_fps` (0: every frame) and batches of `batch_frames`.
  static analyzer::v1::AnalyzerDescription Description(const std::string& name, double sample_fps, int batch_frames);

  FakeAnalyzer& OnFrames(FramesHook hook) { return frames_hook_ = std::move(hook), *this; }
  FakeAnalyzer& OnSummarize(SummarizeHook hook) { return summarize_hook_ = std::move(hook), *this; }

  analyzer::v1::AnalyzerDescription Describe() const override { return description_; }
  absl::StatusOr<std::vector<std::string>> AnalyzeFrames(const analysis::BatchView& view,
                                                         const CancelToken& cancel) override;
  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) override;

 private:
  const analyzer::v1::AnalyzerDescription description_;
  FramesHook frames_hook_;
  SummarizeHook summarize_hook_;
};

}  // namespace reelsight::testing
