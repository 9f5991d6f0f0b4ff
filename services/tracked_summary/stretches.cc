// SPDX-License-Identifier: Apache-2.0
#include "services/tracked_summary/stretches.h"

#include <algorithm>

#include "reelsight/v1/cut_analysis.pb.h"
#include "shared/analysis/analyzer.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::tracked_summary {

Stretches::Stretches(const analyzer::v1::SummarizeRequest& request) {
  const auto cuts = analysis::DependencyResult<v1::CutAnalysisResult>(request, "cut_analysis");
  if (cuts != nullptr) {
    for (const v1::CutAnalysisResult::Shot& shot : cuts->shots()) {
      boundaries_.push_back(analysis::FromProto(shot.start_offset()));
    }
  }
  for (const analyzer::v1::Segment& segment : request.segments()) {
    boundaries_.push_back(analysis::FromProto(segment.start_offset()));
    boundaries_.push_back(analysis::FromProto(segment.end_offset()));
  }
  std::sort(boundaries_.begin(), boundaries_.end());
  boundaries_.erase(std::unique(boundaries_.begin(), boundaries_.end()), boundaries_.end());
}

absl::Duration Stretches::EndOf(absl::Duration offset) const {
  const auto next = std::upper_bound(boundaries_.begin(), boundaries_.end(), offset);
  return next == boundaries_.end() ? absl::InfiniteDuration() : *next;
}

}  // namespace reelsight::tracked_summary
