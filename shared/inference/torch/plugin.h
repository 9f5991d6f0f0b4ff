// SPDX-License-Identifier: Apache-2.0
//
// The door of the LibTorch plug-in, `libreelsight_torch.so`: what a program that opened it with dlopen may call. Both
// sides must be of one build; the version says so.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "shared/inference/engine.h"

namespace reelsight::inference {

// Another number for every other text of this header and of those of Engine, EngineOptions and Tensor: CMake makes it
// of them (cmake/HeadersVersion.cmake), so that nobody has to remember.
inline constexpr int64_t kTorchPluginVersion = REELSIGHT_TORCH_PLUGIN_VERSION;
inline constexpr const char* kTorchPluginFile = "libreelsight_torch.so";
inline constexpr const char* kTorchPluginVersionSymbol = "reelsight_torch_plugin_version";
inline constexpr const char* kTorchCheckDeviceSymbol = "reelsight_torch_check_device";
inline constexpr const char* kTorchLoadEngineSymbol = "reelsight_torch_load_engine";

extern "C" {
using TorchPluginVersion = int64_t (*)();
// As CheckTorchDevice; the result goes to `*result`.
using TorchCheckDevice = void (*)(const std::string& device, absl::Status* result);
// As LoadTorchEngine; the result goes to `*result`. The plug-in must stay loaded as long as any engine of it lives.
using TorchLoadEngine = void (*)(const std::string& path, const EngineOptions& options,
                                 absl::StatusOr<std::unique_ptr<Engine>>* result);
}

}  // namespace reelsight::inference
