// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/endpoint.h"

#include <algorithm>

namespace reelsight::orchestrator {

std::vector<Endpoint> WithinParallelism(std::vector<Endpoint> endpoints,
                                        const std::vector<EndpointSnapshot>& services) {
  for (size_t i = 0; i < std::min(endpoints.size(), services.size()); ++i) {
    const int parallelism = services[i].description.parallelism();
    int& most = endpoints[i].max_in_flight_batches;
    if (parallelism > 0) most = std::min(most, parallelism);
  }
  return endpoints;
}

}  // namespace reelsight::orchestrator
