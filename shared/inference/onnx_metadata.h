// SPDX-License-Identifier: Apache-2.0
//
// The free-text metadata of an ONNX file (`metadata_props`: for instance the characters of a recogniser). Not a reader
// of graphs: everything else in the file is skipped, unread.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace reelsight::inference {

using ModelMetadata = std::map<std::string, std::string>;

// Empty for files whose name does not end in `.onnx`. NOT_FOUND if it cannot be opened; DATA_LOSS, MODEL_CORRUPT, if it
// is no protobuf message. Both name the file.
absl::StatusOr<ModelMetadata> ReadOnnxMetadata(const std::string& path);

}  // namespace reelsight::inference
