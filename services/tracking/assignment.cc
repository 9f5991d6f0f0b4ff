// SPDX-License-Identifier: Apache-2.0
#include "services/tracking/assignment.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

namespace reelsight::tracking {

namespace {

using Costs = std::vector<std::vector<double>>;

// All of it at once. REQUIRES: at least one row and one column.
std::vector<int> AssignGroup(const Costs& cost, double max_cost) {
  const size_t rows = cost.size(), columns = cost[0].size();
  // Square, with rows and columns that mean `nothing`. A pair spares its row and its column half of max_cost each.
  const size_t size = rows + columns;
  const auto at = [&](size_t row, size_t column) {
    if (row >= rows) return column < columns ? max_cost / 2 : 0.0;
    if (column >= columns) return max_cost / 2;
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

// Rows and columns that pairs of at most max_cost join, however indirectly.
struct Group {
  std::vector<size_t> rows, columns;
};

std::vector<Group> GroupsOf(const Costs& cost, double max_cost) {
  const size_t rows = cost.size(), columns = cost[0].size();
  std::vector<Group> groups;
  std::vector<bool> row_done(rows, false), column_done(columns, false);
  for (size_t first = 0; first < rows; ++first) {
    if (row_done[first]) continue;
    row_done[first] = true;
    Group group{.rows = {first}, .columns = {}};
    // Both lists grow while they are gone through.
    for (size_t i = 0, j = 0; i < group.rows.size(); ++i) {
      for (size_t column = 0; column < columns; ++column) {
        if (column_done[column] || cost[group.rows[i]][column] > max_cost) continue;
        column_done[column] = true;
        group.columns.push_back(column);
      }
      for (; j < group.columns.size(); ++j) {
        for (size_t row = 0; row < rows; ++row) {
          if (row_done[row] || cost[row][group.columns[j]] > max_cost) continue;
          row_done[row] = true;
          group.rows.push_back(row);
        }
      }
    }
    if (!group.columns.empty()) groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace

std::vector<int> Assign(const Costs& cost, double max_cost) {
  std::vector<int> assigned(cost.size(), -1);
  if (cost.empty() || cost[0].empty()) return assigned;
  // Groups do not influence each other, and most are a pair.
  for (const Group& group : GroupsOf(cost, max_cost)) {
    Costs part(group.rows.size(), std::vector<double>(group.columns.size()));
    for (size_t i = 0; i < part.size(); ++i) {
      for (size_t j = 0; j < part[i].size(); ++j) part[i][j] = cost[group.rows[i]][group.columns[j]];
    }
    const std::vector<int> found = AssignGroup(part, max_cost);
    for (size_t i = 0; i < found.size(); ++i) {
      if (found[i] >= 0) assigned[group.rows[i]] = static_cast<int>(group.columns[static_cast<size_t>(found[i])]);
    }
  }
  return assigned;
}

}  // namespace reelsight::tracking
