// SPDX-License-Identifier: Apache-2.0
//
// Engines by kind. OpenVINO is linked; LibTorch is a plug-in that is opened when it is first asked for, so that
// programs start without it and machines need not have it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "shared/inference/engine.h"

namespace reelsight::inference {

enum class EngineKind { kOpenVino, kLibTorch };

// `openvino` or `libtorch`.
std::string_view EngineKindName(EngineKind kind);
// INVALID_ARGUMENT for another name.
absl::StatusOr<EngineKind> EngineKindFromName(std::string_view name);

// Loads `model_path`. As LoadOpenVinoEngine, and for LibTorch, which reads ONNX files only, as LoadTorchEngine.
// FAILED_PRECONDITION, with what to do, if the plug-in is not there or does not load. Thread-safe.
absl::StatusOr<std::unique_ptr<Engine>> LoadEngine(EngineKind kind, const std::string& model_path,
                                                   const EngineOptions& options);

// OK if LoadEngine has that kind of engine, and it can use `device`. Opens the plug-in. FAILED_PRECONDITION, with what
// to do, otherwise.
absl::Status EngineAvailable(EngineKind kind, const std::string& device = "cpu");

}  // namespace reelsight::inference
