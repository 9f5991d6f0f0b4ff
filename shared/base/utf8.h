// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace reelsight {

struct Utf8Character {
  // 0: no valid character.
  size_t bytes = 0;
  // Its code point.
  char32_t code = 0;
};
// The character at the start of `text`. None if `text` is empty or does not begin with valid UTF-8: a sequence cut
// short or longer than it need be, a surrogate, or what lies above U+10FFFF.
Utf8Character FirstCharacter(std::string_view text);

// `text` with each byte that is not part of valid UTF-8 replaced by `replacement`. Strings of protobuf messages must be
// valid, or their receivers refuse the whole message; file names and messages of libraries need not be.
std::string ValidUtf8(std::string_view text, std::string_view replacement = "?");

}  // namespace reelsight
