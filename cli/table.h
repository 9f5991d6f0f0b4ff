// SPDX-License-Identifier: Apache-2.0
//
// Columns of text, as wide as their widest cell.
#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace reelsight::cli {

class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Cells may hold escape sequences. Missing ones are empty.
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }

  // Lines with `indent` blanks before and none behind, each with a line end. The last column is wrapped where
  // it would leave the terminal (not when nobody looks at it).
  std::string Render(const Terminal& terminal, int indent) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace reelsight::cli
