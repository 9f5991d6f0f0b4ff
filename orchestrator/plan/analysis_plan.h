// SPDX-License-Identifier: Apache-2.0
//
// What a run will do: which analyzers, in which order, on which frames, with which options. Made before the source is
// opened, so that a wrong request costs nothing.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/any.pb.h"
#include "orchestrator/plan/sampling_cursor.h"
#include "reelsight/analyzer/v1/analyzer_service.pb.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/analysis/image.h"

namespace reelsight::orchestrator {

// What is known of one service when a request comes.
struct EndpointSnapshot {
  std::string name;
  // The last description; empty if it never answered.
  analyzer::v1::DescribeResponse description;
  // OK, or why it does not answer now.
  absl::Status status;
};

struct PlannedAnalyzer {
  analyzer::v1::AnalyzerDescription description;
  // Index of its endpoint.
  int endpoint = 0;
  // False: it runs only because another analyzer builds on it, and stays out of the answer.
  bool requested = true;
  google::protobuf::Any options;
  analysis::FrameSpec spec;
  // Frames a second that the request asks for in place of the profile's; 0: none.
  double sample_fps = 0;
  // Not OK: it is not run, and this is its status.
  absl::Status status;

  // Sampling for a video of this frame rate.
  SamplingRule RuleFor(double frame_rate, v1::AnalyzeRequest::SamplingProfile profile) const;
};

struct AnalysisPlan {
  // Dependencies come before what builds on them.
  std::vector<PlannedAnalyzer> analyzers;
  // Places in `analyzers` of those asked for, in the order of the answer.
  std::vector<int> answer_order;
  // Names of those that are not available, where the request asks for all that are.
  std::vector<std::string> left_out;
};

// Errors: INVALID_ARGUMENT (UNKNOWN_ANALYZER, or INVALID_FIELD for options of what does not run), UNAVAILABLE (a name
// is not known, or none is, and a service that may offer it never answered), FAILED_PRECONDITION (nothing can be run).
// `request` has passed ValidateRequest.
absl::StatusOr<AnalysisPlan> MakePlan(const v1::AnalyzeRequest& request,
                                      const std::vector<EndpointSnapshot>& endpoints);

}  // namespace reelsight::orchestrator
