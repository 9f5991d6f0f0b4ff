// SPDX-License-Identifier: Apache-2.0
//
// Defaults and bounds of config.v1.OrchestratorConfig, but for its `server`, which shared/rpc knows.
#pragma once

#include "absl/status/status.h"
#include "reelsight/config/v1/config.pb.h"

namespace reelsight::orchestrator {

// Fills absent fields with the defaults that config.proto documents.
void ApplyDefaults(config::v1::OrchestratorConfig* config);

// INVALID_ARGUMENT, INVALID_FIELD, naming the first value that cannot be. Defaults must have been applied.
absl::Status CheckOrchestratorConfig(const config::v1::OrchestratorConfig& config);

}  // namespace reelsight::orchestrator
