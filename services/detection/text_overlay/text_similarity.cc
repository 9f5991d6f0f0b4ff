// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/text_similarity.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "shared/base/utf8.h"

namespace reelsight::text_overlay {

std::u32string CodePoints(std::string_view utf8) {
  std::u32string points;
  while (!utf8.empty()) {
    const Utf8Character first = FirstCharacter(utf8);
    points += first.bytes > 0 ? first.code : U'\uFFFD';
    utf8.remove_prefix(std::max<size_t>(first.bytes, 1));
  }
  return points;
}

std::u32string Comparable(std::string_view utf8) {
  std::u32string comparable;
  for (const char32_t point : CodePoints(utf8)) {
    if (point == U' ' || point == U'\u3000') continue;
    comparable += point >= U'A' && point <= U'Z' ? point - U'A' + U'a' : point;
  }
  return comparable;
}

double Similarity(std::u32string_view a, std::u32string_view b) {
  const size_t longest = std::max(a.size(), b.size());
  if (longest == 0) return 1;
  // One row of the table of distances between prefixes.
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return 1 - static_cast<double>(row[b.size()]) / static_cast<double>(longest);
}

size_t CommonRun(std::u32string_view a, std::u32string_view b) {
  size_t longest = 0;
  std::vector<size_t> row(b.size() + 1, 0);
  for (const char32_t point : a) {
    for (size_t j = b.size(); j > 0; --j) {
      row[j] = point == b[j - 1] ? row[j - 1] + 1 : 0;
      longest = std::max(longest, row[j]);
    }
  }
  return longest;
}

}  // namespace reelsight::text_overlay
