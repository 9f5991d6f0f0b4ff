// SPDX-License-Identifier: Apache-2.0
#include "services/detection/eye_tracking/blinks.h"

#include <optional>
#include <utility>

#include "shared/base/quantile.h"

namespace reelsight::eye_tracking {

std::vector<BlinkSpan> FindBlinks(const std::vector<OpennessSample>& samples, const BlinkOptions& options) {
  std::vector<BlinkSpan> blinks;
  if (samples.empty()) return blinks;
  std::vector<double> values;
  for (const OpennessSample& sample : samples) values.push_back(sample.openness);
  const double usual = Median(std::move(values));

  bool was_open = false;
  std::optional<absl::Duration> closed_since;
  for (const OpennessSample& sample : samples) {
    if (closed_since) {
      if (sample.openness < options.open_share * usual) continue;
      if (sample.offset - *closed_since <= options.max_length) blinks.push_back({*closed_since, sample.offset});
      closed_since.reset();
      was_open = true;
    } else if (sample.openness < options.close_share * usual) {
      if (was_open) closed_since = sample.offset;
    } else {
      was_open = true;
    }
  }
  return blinks;
}

}  // namespace reelsight::eye_tracking
