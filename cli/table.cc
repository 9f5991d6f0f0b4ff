// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace reelsight::cli {
namespace {

// Narrower than this the last column is not made.
constexpr int kLeastLastColumn = 16;

}  // namespace

std::string Table::Render(const Terminal& terminal, int indent) const {
  std::vector<int> widths;
  for (const Column& column : columns_) widths.push_back(DisplayWidth(column.title));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  std::string text;
  const auto add_line = [&](const std::vector<std::string>& cells, bool head) {
    std::string line(static_cast<size_t>(indent), ' ');
    // What goes on below the last column.
    std::vector<std::string> more;
    for (size_t i = 0; i < columns_.size(); ++i) {
      std::string cell = i < cells.size() ? cells[i] : "";
      const int start = DisplayWidth(line);
      if (i + 1 == columns_.size() && terminal.interactive && cell.find('\x1b') == std::string::npos) {
        const int room = std::max(kLeastLastColumn, terminal.width - start);
        const std::vector<std::string> lines = Wrap(cell, room);
        cell = Shorten(lines.front(), room, terminal.unicode);
        for (size_t j = 1; j < lines.size(); ++j) {
          more.push_back(std::string(static_cast<size_t>(start), ' ') + Shorten(lines[j], room, terminal.unicode));
        }
      }
      cell = columns_[i].align == Align::kRight ? PadLeft(cell, widths[i]) : PadRight(cell, widths[i]);
      line += cell;
      if (i + 1 < columns_.size()) line += "  ";
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    text += (head ? Dim(terminal, line) : line) + "\n";
    for (const std::string& next : more) absl::StrAppend(&text, next, "\n");
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
