// SPDX-License-Identifier: Apache-2.0
//
// Configuration files: protobuf text format, strict. A field that the schema lacks is an error with its place.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace reelsight::process {

// Merges the file into `*config`. NOT_FOUND or PERMISSION_DENIED if it cannot be read; INVALID_ARGUMENT with
// `FILE:LINE:COLUMN: what` for each error in it, lines and columns counted from 1.
absl::Status LoadConfigFile(const std::string& path, google::protobuf::Message* config);
// The same for text in memory; `name` stands for the file in errors.
absl::Status ParseConfig(std::string_view text, const std::string& name, google::protobuf::Message* config);

}  // namespace reelsight::process
