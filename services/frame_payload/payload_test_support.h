// SPDX-License-Identifier: Apache-2.0
//
// Payloads as replicas of other versions would write them, for the tests of analyzers.
#pragma once

#include <string>

#include "gtest/gtest.h"
#include "reelsight/payload/v1/payload.pb.h"
#include "shared/base/status.h"

namespace reelsight::frame_payload {

// The version that `payload` says it is of.
inline int VersionOfForTest(const std::string& payload) {
  payload::v1::PayloadHeader header;
  EXPECT_TRUE(header.ParseFromString(payload));
  return header.version();
}

// `payload` as of another version: of a field that comes twice, the last one counts.
inline std::string WithVersionForTest(const std::string& payload, int version) {
  payload::v1::PayloadHeader header;
  header.set_version(version);
  return payload + header.SerializeAsString();
}

// `status` refuses a payload of version `written`, because only `known` is known.
inline void ExpectVersionRefused(const absl::Status& status, int written, int known) {
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(GetReason(status), "PAYLOAD_VERSION");
  const std::string message(status.message());
  EXPECT_NE(message.find("payload version " + std::to_string(written) + ","), std::string::npos) << message;
  EXPECT_NE(message.find("knows version " + std::to_string(known) + " "), std::string::npos) << message;
}

}  // namespace reelsight::frame_payload
