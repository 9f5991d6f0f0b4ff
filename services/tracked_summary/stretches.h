// SPDX-License-Identifier: Apache-2.0
//
// Where following things through a video begins anew: at the cuts that cut_analysis found, and where an analysed
// segment starts or ends, whether cut_analysis ran or not. What lies between two segments was not looked at, so nothing
// joins what was seen on its two sides.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "reelsight/analyzer/v1/analyzer_service.pb.h"

namespace reelsight::tracked_summary {

// The uninterrupted stretches of one request. Immutable.
class Stretches {
 public:
  explicit Stretches(const analyzer::v1::SummarizeRequest& request);

  // Ascending, each once.
  const std::vector<absl::Duration>& boundaries() const { return boundaries_; }
  // Where the stretch that `offset` lies in ends, exclusive; InfiniteDuration if nothing says so.
  absl::Duration EndOf(absl::Duration offset) const;

 private:
  std::vector<absl::Duration> boundaries_;
};

}  // namespace reelsight::tracked_summary
