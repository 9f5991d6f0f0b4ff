// SPDX-License-Identifier: Apache-2.0
//
// What an analyzer is. A new one implements this, adds its options and result messages to protos/reelsight/v1, and
// stands in the list of its service.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/any.pb.h"
#include "reelsight/analyzer/v1/analyzer_service.pb.h"
#include "shared/analysis/frame.h"
#include "shared/base/cancel_token.h"
#include "shared/base/status.h"

namespace reelsight::analysis {

// Stateless between calls: a batch may go to any replica, be sent twice, and come in any order. All methods are
// thread-safe, may block for the time of their work, and return early when `cancel` is cancelled.
class Analyzer {
 public:
  virtual ~Analyzer() = default;

  // What it is and needs. Constant but for `available`.
  virtual analyzer::v1::AnalyzerDescription Describe() const = 0;

  // One payload for each target of `view`, in order. A payload is this analyzer's own encoding; keep it small (a few
  // KiB), because all payloads of a video stay in memory until Summarize. `view` and what it points to live until the
  // call returns.
  virtual absl::StatusOr<std::vector<std::string>> AnalyzeFrames(const BatchView& view, const CancelToken& cancel) = 0;

  // Reduces all frame results of one video. It must not depend on how frames were batched.
  virtual absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                                    const CancelToken& cancel) = 0;
};

// Unpacks options; absent ones give defaults. INVALID_ARGUMENT, INVALID_FIELD, if they are of another type.
template <typename Options>
absl::StatusOr<Options> UnpackOptions(const google::protobuf::Any& any) {
  Options options;
  if (any.type_url().empty()) return options;
  if (!any.UnpackTo(&options)) {
    return InvalidField("options", "expected " + options.GetDescriptor()->full_name() + ", got " + any.type_url());
  }
  return options;
}

// The typed result of the dependency `analyzer` in `request`, or nullptr if it is absent or of another type.
template <typename Result>
std::unique_ptr<Result> DependencyResult(const analyzer::v1::SummarizeRequest& request, std::string_view analyzer) {
  for (const analyzer::v1::DependencySummary& dependency : request.dependencies()) {
    if (dependency.analyzer() != analyzer || !dependency.summary().has_typed()) continue;
    auto result = std::make_unique<Result>();
    if (dependency.summary().typed().UnpackTo(result.get())) return result;
  }
  return nullptr;
}

// An analyzer's own algorithm, which has no weights, as Describe and Summarize name it.
analyzer::v1::Model ClassicalModel(std::string version);

}  // namespace reelsight::analysis
