// SPDX-License-Identifier: Apache-2.0
//
// The LibTorch engine: an ONNX graph as calls of ATen, on the CPU or on a GPU by the same code. It is compiled into a
// plug-in, see plugin.h; programs get it from engine_factory.h.
#pragma once

#include <memory>
#include <string>

#include "shared/inference/engine.h"

namespace reelsight::inference {

// OK if `device`, `cpu` or `cuda:N`, can be used; FAILED_PRECONDITION, with what to do, if it is not there;
// INVALID_ARGUMENT for another name.
absl::Status CheckTorchDevice(const std::string& device);

// Loads the ONNX file `path`. NOT_FOUND if there is no such file; DATA_LOSS, MODEL_CORRUPT if it cannot be read;
// UNIMPLEMENTED for an operator that there is not, naming operator, node and file; FAILED_PRECONDITION if the device is
// not there; RESOURCE_EXHAUSTED if memory ran out. `compiled_cache_directory` is not used: nothing is compiled.
absl::StatusOr<std::unique_ptr<Engine>> LoadTorchEngine(const std::string& path, const EngineOptions& options);

}  // namespace reelsight::inference
