// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/service_call.h"

#include <algorithm>
#include <utility>

#include "orchestrator/fanout/measured_client.h"
#include "orchestrator/fanout/retrying_client.h"

namespace reelsight::orchestrator {

std::vector<ServiceCall> MakeServiceCalls(const std::vector<Endpoint>& endpoints, concurrency::Timer& timer,
                                          telemetry::Metrics* metrics, const std::shared_ptr<AttemptLog>& log) {
  std::vector<ServiceCall> calls;
  for (const Endpoint& endpoint : endpoints) {
    auto measured = std::make_shared<MeasuredClient>(endpoint.client, endpoint.name, metrics, log);
    auto retrying = std::make_shared<RetryingClient>(
        std::move(measured),
        RetryingClient::Options{
            .service = endpoint.name, .attempt_timeout = endpoint.batch_timeout, .max_retries = endpoint.max_retries},
        timer, metrics, log);
    calls.push_back({endpoint.name, std::move(retrying), std::max(1, endpoint.max_in_flight_batches)});
  }
  return calls;
}

}  // namespace reelsight::orchestrator
