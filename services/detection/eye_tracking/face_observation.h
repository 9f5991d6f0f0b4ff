// SPDX-License-Identifier: Apache-2.0
//
// What one frame tells of a face: how it is measured, and how it goes through a payload to the result.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/duration.pb.h"
#include "reelsight/payload/v1/eye_tracking.pb.h"
#include "reelsight/v1/eye_tracking.pb.h"
#include "services/detection/eye_tracking/face_finder.h"
#include "shared/analysis/image.h"

namespace reelsight::eye_tracking {

// Turn of the head, gaze and openness of the eyes of `face`, found in a picture of that size.
payload::v1::EyeTrackingPayload::Face MeasureFace(const FoundFace& face, analysis::ImageSize size);

// The observations in the payload of a frame at `offset`, in its order. The statuses of frame_payload::DecodePayload.
absl::StatusOr<std::vector<v1::EyeTrackingResult::Observation>> DecodeObservations(
    std::string_view payload, const google::protobuf::Duration& offset);

}  // namespace reelsight::eye_tracking
