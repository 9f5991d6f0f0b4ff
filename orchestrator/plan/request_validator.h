// SPDX-License-Identifier: Apache-2.0
//
// Checks requests against the bounds written in the protos (reelsight.v1.rules) and what else makes them sound. It
// knows no analyzer: that a name exists is checked by the plan.
#pragma once

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "reelsight/v1/video_analysis_service.pb.h"

namespace reelsight::orchestrator {

// INVALID_ARGUMENT, INVALID_FIELD, naming the path of the first field out of its bounds, for instance
// `options.cut_analysis.sensitivity`. NaN is never in bounds. Thread-safe.
absl::Status CheckRules(const google::protobuf::Message& message);

// CheckRules, and: a source is set, segments are well-formed, ordered and apart, names are not repeated.
absl::Status ValidateRequest(const v1::AnalyzeRequest& request);

}  // namespace reelsight::orchestrator
