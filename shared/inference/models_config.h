// SPDX-License-Identifier: Apache-2.0
//
// From a service's configuration to its store of models and its runtime.
#pragma once

#include "absl/status/statusor.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/inference/model_runtime.h"
#include "shared/process/settings.h"

namespace reelsight::inference {

// Settings of config.v1.ModelsConfig, which the configuration message holds as `models`.
std::vector<process::Setting> ModelSettings();
// INVALID_ARGUMENT, INVALID_FIELD, for a value out of range.
absl::Status CheckModelsConfig(const config::v1::ModelsConfig& config);
// The catalogue with the configured files, and the folder. See ModelStore::Open for errors.
absl::StatusOr<model_store::ModelStore> OpenStore(const config::v1::ModelsConfig& config);
// All but device and threads. REQUIRES: CheckModelsConfig is OK.
ModelRuntime::Options ToRuntimeOptions(const config::v1::ModelsConfig& config);

}  // namespace reelsight::inference
