// SPDX-License-Identifier: Apache-2.0
//
// google.protobuf.Duration <-> absl::Duration.
#pragma once

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"

namespace reelsight::analysis {

absl::Duration FromProto(const google::protobuf::Duration& duration);

// What is below a nanosecond is dropped. REQUIRES: `duration` is finite.
google::protobuf::Duration ToProto(absl::Duration duration);

}  // namespace reelsight::analysis
