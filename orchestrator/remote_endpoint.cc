// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/remote_endpoint.h"

#include <utility>

#include "shared/base/status.h"
#include "shared/rpc/grpc_analyzer_client.h"

namespace reelsight::orchestrator {

absl::StatusOr<Endpoint> MakeRemoteEndpoint(const config::v1::AnalyzerEndpoint& config) {
  ASSIGN_OR_RETURN(auto client, rpc::GrpcAnalyzerClient::Create(config));
  return Endpoint{.name = config.name(),
                  .client = std::move(client),
                  .max_in_flight_batches = config.max_in_flight_batches(),
                  .batch_timeout = absl::Seconds(config.batch_timeout_seconds()),
                  .max_retries = config.max_retries()};
}

}  // namespace reelsight::orchestrator
