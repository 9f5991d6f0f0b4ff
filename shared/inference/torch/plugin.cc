// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/torch/plugin.h"

#include "shared/inference/torch/torch_engine.h"

#define REELSIGHT_EXPORT __attribute__((visibility("default")))

namespace reelsight::inference {

extern "C" {

REELSIGHT_EXPORT int64_t reelsight_torch_plugin_version() { return kTorchPluginVersion; }

REELSIGHT_EXPORT void reelsight_torch_check_device(const std::string& device, absl::Status* result) {
  *result = CheckTorchDevice(device);
}

REELSIGHT_EXPORT void reelsight_torch_load_engine(const std::string& path, const EngineOptions& options,
                                                  absl::StatusOr<std::unique_ptr<Engine>>* result) {
  *result = LoadTorchEngine(path, options);
}
}

}  // namespace reelsight::inference
