// SPDX-License-Identifier: Apache-2.0
//
// Reads an ONNX file, and the files of weights beside it that it names.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "shared/inference/torch/graph.h"

namespace reelsight::inference {

// Weights of 16-bit floating point become float32. The file's bytes are taken over, not copied, where they can be.
// NOT_FOUND if there is no such file; DATA_LOSS, MODEL_CORRUPT if it cannot be read, or reads a value that nothing
// makes; UNIMPLEMENTED for what no engine of ours takes (strings, sequences, sparse tensors). All name the file.
absl::StatusOr<Graph> ReadOnnx(const std::string& path);

}  // namespace reelsight::inference
