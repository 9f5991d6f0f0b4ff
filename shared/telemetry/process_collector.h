// SPDX-License-Identifier: Apache-2.0
//
// The part of Metrics that is read when asked for: the process's own figures.
#pragma once

#include <vector>

#include "prometheus/collectable.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::telemetry {

// Memory, processor time, open files and threads of this process.
class Metrics::ProcessCollector final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace reelsight::telemetry
