// SPDX-License-Identifier: Apache-2.0
//
// Frame payloads as bytes: messages of protos/reelsight/payload/v1 with their version, which AnalyzeFrames of one
// replica writes and Summarize of another reads. Replicas of two versions side by side refuse each other's payloads
// here, and name both versions; nothing is guessed. What a payload holds is the business of its analyzer.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace reelsight::frame_payload {

// The bytes of `payload`, with the version that its message declares. REQUIRES: the message has a field `version` and
// the option `current_version`.
std::string EncodePayload(google::protobuf::Message& payload);

// Reads `bytes` into `payload`, which may be reused from frame to frame. FAILED_PRECONDITION, PAYLOAD_VERSION, naming
// `analyzer` and both versions, if a replica of another version wrote them; INVALID_ARGUMENT, BAD_FRAME, if they are no
// such payload, are cut short, or hold a NaN or an infinity. `payload` is undefined after an error.
absl::Status DecodePayload(absl::string_view analyzer, std::string_view bytes, google::protobuf::Message* payload);

// INVALID_ARGUMENT, BAD_FRAME: the status of a payload that can be read but says what cannot be.
absl::Status BadPayload(absl::string_view analyzer, absl::string_view what);

}  // namespace reelsight::frame_payload
