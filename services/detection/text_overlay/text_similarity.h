// SPDX-License-Identifier: Apache-2.0
//
// How alike two readings of one text are.
#pragma once

#include <string>
#include <string_view>

namespace reelsight::text_overlay {

// The Unicode code points of UTF-8 text; malformed bytes count as one each.
std::u32string CodePoints(std::string_view utf8);

// What comparisons see: without spaces, ASCII letters in lower case.
std::u32string Comparable(std::string_view utf8);

// 1 - edit distance / length of the longer one (Levenshtein, 1965), in [0, 1]; 1 for two empty ones.
double Similarity(std::u32string_view a, std::u32string_view b);

// Length of the longest run of characters that both have.
size_t CommonRun(std::u32string_view a, std::u32string_view b);

}  // namespace reelsight::text_overlay
