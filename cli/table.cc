// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <algorithm>

namespace reelsight::cli {

std::string Table::Render(const Terminal& terminal, int indent) const {
  std::vector<int> widths;
  for (const Column& column : columns_) widths.push_back(DisplayWidth(column.title));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  std::string text;
  const auto add_line = [&](const std::vector<std::string>& cells, bool head) {
    std::string line(static_cast<size_t>(indent), ' ');
    for (size_t i = 0; i < columns_.size(); ++i) {
      std::string cell = i < cells.size() ? cells[i] : "";
      if (i + 1 == columns_.size() && terminal.interactive && cell.find('\x1b') == std::string::npos) {
        cell = Shorten(cell, std::max(8, terminal.width - DisplayWidth(line)), terminal.unicode);
      }
      cell = columns_[i].align == Align::kRight ? PadLeft(cell, widths[i]) : PadRight(cell, widths[i]);
      line += cell;
      if (i + 1 < columns_.size()) line += "  ";
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    text += (head ? Dim(terminal, line) : line) + "\n";
  };
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  if (std::any_of(titles.begin(), titles.end(), [](const std::string& title) { return !title.empty(); })) {
    add_line(titles, /*head=*/true);
  }
  for (const auto& row : rows_) add_line(row, /*head=*/false);
  return text;
}

}  // namespace reelsight::cli
