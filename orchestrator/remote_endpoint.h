// SPDX-License-Identifier: Apache-2.0
//
// An analyzer service over gRPC, as a configuration names it.
#pragma once

#include "absl/status/statusor.h"
#include "orchestrator/fanout/endpoint.h"
#include "reelsight/config/v1/config.pb.h"

namespace reelsight::orchestrator {

// `config` has its defaults (ApplyDefaults). Does not connect yet. Errors: as GrpcAnalyzerClient::Create.
absl::StatusOr<Endpoint> MakeRemoteEndpoint(const config::v1::AnalyzerEndpoint& config);

}  // namespace reelsight::orchestrator
