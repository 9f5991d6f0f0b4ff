// SPDX-License-Identifier: Apache-2.0
//
// The two parts of Metrics that need the metrics library: the HTTP server, and the process's own figures.
#pragma once

#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/exposer.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::telemetry {

// Memory, processor time, open files and threads of this process, read when scraped.
class Metrics::ProcessCollector final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

class Metrics::Exposer {
 public:
  explicit Exposer(const std::string& address) : exposer(address) {}
  prometheus::Exposer exposer;
};

}  // namespace reelsight::telemetry
