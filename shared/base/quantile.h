// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace reelsight {

// That of `values` which has `share` of them before it in order; of an even number, the median is the upper of the two
// middle ones. REQUIRES: `values` is not empty, `share` is in [0, 1).
template <typename T, typename Less = std::less<>>
T Quantile(std::vector<T> values, double share, Less less = {}) {
  const auto place = values.begin() + static_cast<ptrdiff_t>(share * static_cast<double>(values.size()));
  std::nth_element(values.begin(), place, values.end(), less);
  return *place;
}

template <typename T, typename Less = std::less<>>
T Median(std::vector<T> values, Less less = {}) {
  return Quantile(std::move(values), 0.5, less);
}

}  // namespace reelsight
