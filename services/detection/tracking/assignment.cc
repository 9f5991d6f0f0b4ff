// SPDX-License-Identifier: Apache-2.0
#include "services/detection/tracking/assignment.h"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace reelsight::tracking {

std::vector<int> Assign(const std::vector<std::vector<double>>& cost, double max_cost) {
  const size_t rows = cost.size(), columns = rows == 0 ? 0 : cost[0].size();
  if (columns == 0) return std::vector<int>(rows, -1);
  // Square, and each row has a column of its own that means `nothing`, at the price of max_cost.
  const size_t size = rows + columns;
  const auto at = [&](size_t row, size_t column) {
    if (row >= rows) return column < columns ? max_cost : 0.0;
    if (column >= columns) return max_cost;
    return std::min(cost[row][column], 1e6 + max_cost);
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> row_price(size + 1, 0), column_price(size + 1, 0);
  // Columns and rows count from 1; 0 stands for none.
  std::vector<size_t> row_of(size + 1, 0), previous(size + 1, 0);
  for (size_t row = 1; row <= size; ++row) {
    row_of[0] = row;
    size_t column = 0;
    std::vector<double> slack(size + 1, kInfinity);
    std::vector<bool> used(size + 1, false);
    do {
      used[column] = true;
      const size_t current = row_of[column];
      double delta = kInfinity;
      size_t next = 0;
      for (size_t j = 1; j <= size; ++j) {
        if (used[j]) continue;
        const double reduced = at(current - 1, j - 1) - row_price[current] - column_price[j];
        if (reduced < slack[j]) {
          slack[j] = reduced;
          previous[j] = column;
        }
        if (slack[j] < delta) {
          delta = slack[j];
          next = j;
        }
      }
      for (size_t j = 0; j <= size; ++j) {
        if (used[j]) {
          row_price[row_of[j]] += delta;
          column_price[j] -= delta;
        } else {
          slack[j] -= delta;
        }
      }
      column = next;
    } while (row_of[column] != 0);
    do {
      row_of[column] = row_of[previous[column]];
      column = previous[column];
    } while (column != 0);
  }
  std::vector<int> assigned(rows, -1);
  for (size_t j = 1; j <= columns; ++j) {
    const size_t row = row_of[j];
    if (row >= 1 && row <= rows && cost[row - 1][j - 1] <= max_cost) assigned[row - 1] = static_cast<int>(j - 1);
  }
  return assigned;
}

}  // namespace reelsight::tracking
