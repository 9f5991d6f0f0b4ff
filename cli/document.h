// SPDX-License-Identifier: Apache-2.0
//
// The documents that `analyze` prints: proto3 JSON and protobuf text format. The readable text is text_summary.h's.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace reelsight::cli {

enum class DocumentFormat { kText, kJson, kTextproto };

// proto3 JSON: names in lowerCamelCase, enums by name, 64-bit integers as strings, durations as `1.500s`. Fields that
// hold their default (0, false, "", []) are printed too, so that a reader finds every key; messages that are not set
// are left out. `pretty` breaks lines and indents.
std::string ToJson(const google::protobuf::Message& message, bool pretty);

// Text format of protobuf, in UTF-8.
std::string ToTextproto(const google::protobuf::Message& message);

// An error as one JSON object: {"code": "NOT_FOUND", "reason": "SOURCE_NOT_FOUND", "message": "..."}.
std::string ErrorToJson(const absl::Status& status);

// `text` as a JSON string with its quotes, in ASCII: any other byte sequence is escaped, one that is not UTF-8 becomes
// U+FFFD.
std::string JsonString(const std::string& text);

// `NOT_FOUND` and the like.
std::string CodeName(absl::StatusCode code);

}  // namespace reelsight::cli
