// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace reelsight::tracking {

// Linear assignment: for each row of `cost` the column it gets, or -1. The sum of (cost - max_cost) over the pairs is
// as small as can be, and no pair costs more than `max_cost`: so a pair is made only where it pays. Rows may be more or
// fewer than columns. Shortest augmenting paths, O(n^3) [Jonker and Volgenant, 1987]. Costs must be finite or above
// max_cost.
std::vector<int> Assign(const std::vector<std::vector<double>>& cost, double max_cost);

}  // namespace reelsight::tracking
