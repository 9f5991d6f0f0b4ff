// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/text_similarity.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace reelsight::text_overlay {
namespace {

// Bytes of the sequence that starts with `lead`; 0: no lead byte.
size_t SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

}  // namespace

std::u32string CodePoints(std::string_view utf8) {
  std::u32string points;
  for (size_t at = 0; at < utf8.size();) {
    const auto lead = static_cast<unsigned char>(utf8[at]);
    const size_t length = SequenceLength(lead);
    char32_t point = length == 1 ? lead : lead & (0x7F >> length);
    bool valid = length > 0 && at + length <= utf8.size();
    for (size_t i = 1; valid && i < length; ++i) {
      const auto next = static_cast<unsigned char>(utf8[at + i]);
      valid = (next & 0xC0) == 0x80;
      point = point << 6 | (next & 0x3F);
    }
    points += valid ? point : U'\uFFFD';
    at += valid ? length : 1;
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
