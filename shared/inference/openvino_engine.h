// SPDX-License-Identifier: Apache-2.0
//
// The CPU engine: OpenVINO. Reads ONNX, TFLite, TensorFlow frozen graphs and OpenVINO IR as they are.
// A run blocks its caller while OpenVINO computes on threads of its own, which each loaded model has: no more of them
// are at work than callers run.
#pragma once

#include <memory>
#include <string>

#include "shared/inference/engine.h"

namespace reelsight::inference {

// Loads `model_path`. Weights are memory-mapped where the format allows it. NOT_FOUND if there is no such file,
// DATA_LOSS, MODEL_CORRUPT if it cannot be read or compiled, both naming the file. Blocks for the time of compiling.
absl::StatusOr<std::unique_ptr<Engine>> LoadOpenVinoEngine(const std::string& model_path, const EngineOptions& options);

// OpenVINO's version, for `doctor`.
std::string OpenVinoVersion();
// True if the CPU has bfloat16 arithmetic that OpenVINO uses.
bool CpuHasBfloat16();

}  // namespace reelsight::inference
