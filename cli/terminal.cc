// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "shared/base/utf8.h"

namespace reelsight::cli {
namespace {

std::string Env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string Styled(const Terminal& terminal, const char* code, const std::string& text) {
  if (terminal.colors == Terminal::Colors::kNone || text.empty()) return text;
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

bool ParseHex(const std::string& hex, int (&rgb)[3]) {
  if (hex.size() != 7 || hex[0] != '#') return false;
  for (int i = 0; i < 3; ++i) {
    uint32_t value = 0;
    if (!absl::SimpleHexAtoi(hex.substr(1 + 2 * i, 2), &value)) return false;
    rgb[i] = static_cast<int>(value);
  }
  return true;
}

// A character of UTF-8 text, on a terminal.
struct Character {
  size_t bytes = 1;
  int columns = 1;
};

int ColumnsOf(char32_t code) {
  struct Range {
    char32_t first, last;
  };
  // Combining marks, joiners and variation selectors; the blocks of wide characters, by Unicode's EastAsianWidth.txt.
  constexpr Range kNone[] = {{0x0300, 0x036F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F},
                             {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}};
  constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xA960, 0xA97C},
                             {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},
                             {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF},
                             {0x1FA70, 0x1FAFF}, {0x20000, 0x3FFFD}};
  const auto in = [code](const Range& range) { return range.first <= code && code <= range.last; };
  if (std::any_of(std::begin(kNone), std::end(kNone), in)) return 0;
  return std::any_of(std::begin(kWide), std::end(kWide), in) ? 2 : 1;
}

// The character at `at`; a byte that begins none counts as one.
Character CharacterAt(std::string_view text, size_t at) {
  const Utf8Character first = FirstCharacter(text.substr(at));
  if (first.bytes == 0) return {};
  return {first.bytes, ColumnsOf(first.code)};
}

}  // namespace

Terminal Terminal::ForDescriptor(int fd) {
  Terminal terminal;
  const std::string term = Env("TERM");
  const std::string color_term = Env("COLORTERM");
  terminal.interactive = isatty(fd) == 1 && term != "dumb";
  terminal.Measure(fd);
  std::string locale = Env("LC_ALL");
  if (locale.empty()) locale = Env("LC_CTYPE");
  if (locale.empty()) locale = Env("LANG");
  locale = absl::AsciiStrToLower(locale);
  terminal.unicode = absl::StrContains(locale, "utf-8") || absl::StrContains(locale, "utf8");
  const std::string force = Env("CLICOLOR_FORCE");
  if (!Env("NO_COLOR").empty()) return terminal;
  if (!force.empty() && force != "0") {
    terminal.colors = Colors::kTrueColor;
  } else if (terminal.interactive) {
    terminal.colors = color_term == "truecolor" || color_term == "24bit" ? Colors::kTrueColor : Colors::k256;
  }
  return terminal;
}

void Terminal::Measure(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0) return;
  if (size.ws_col > 0) width = size.ws_col;
  if (size.ws_row > 0) height = size.ws_row;
}

std::string Bold(const Terminal& terminal, const std::string& text) { return Styled(terminal, "1", text); }
std::string Dim(const Terminal& terminal, const std::string& text) { return Styled(terminal, "2", text); }
std::string Red(const Terminal& terminal, const std::string& text) { return Styled(terminal, "31", text); }
std::string Green(const Terminal& terminal, const std::string& text) { return Styled(terminal, "32", text); }
std::string Yellow(const Terminal& terminal, const std::string& text) { return Styled(terminal, "33", text); }

std::string Swatch(const Terminal& terminal, const std::string& hex, int columns) {
  int rgb[3];
  if (terminal.colors == Terminal::Colors::kNone || columns < 1 || !ParseHex(hex, rgb)) return "";
  const std::string blanks(static_cast<size_t>(columns), ' ');
  if (terminal.colors == Terminal::Colors::kTrueColor) {
    return absl::StrFormat("\x1b[48;2;%d;%d;%dm%s\x1b[0m", rgb[0], rgb[1], rgb[2], blanks);
  }
  // The 6 x 6 x 6 cube of the 256 colours has the levels 0, 95, 135, 175, 215, 255.
  const auto level = [](int value) { return value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40; };
  const int index = 16 + 36 * level(rgb[0]) + 6 * level(rgb[1]) + level(rgb[2]);
  return absl::StrFormat("\x1b[48;5;%dm%s\x1b[0m", index, blanks);
}

int DisplayWidth(const std::string& text) {
  int width = 0;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\x1b') {
      while (i < text.size() && text[i] != 'm' && text[i] != 'K') ++i;
      ++i;
      continue;
    }
    const Character character = CharacterAt(text, i);
    width += character.columns;
    i += character.bytes;
  }
  return width;
}

std::string Shorten(const std::string& text, int columns, bool unicode) {
  if (DisplayWidth(text) <= columns) return text;
  const std::string ellipsis = unicode ? "…" : "...";
  if (columns < DisplayWidth(ellipsis)) return ellipsis.substr(0, static_cast<size_t>(std::max(0, columns)));
  size_t end = 0;
  for (int left = columns - DisplayWidth(ellipsis); end < text.size();) {
    const Character character = CharacterAt(text, end);
    left -= character.columns;
    if (left < 0) break;
    end += character.bytes;
  }
  return text.substr(0, end) + ellipsis;
}

std::vector<std::string> Wrap(const std::string& text, int columns) {
  std::vector<std::string> lines = {""};
  for (const auto& word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    std::string& line = lines.back();
    if (!line.empty() && DisplayWidth(line) + 1 + DisplayWidth(std::string(word)) > columns) {
      lines.emplace_back(word);
    } else {
      absl::StrAppend(&line, line.empty() ? "" : " ", word);
    }
  }
  return lines;
}

std::string PadRight(std::string text, int columns) {
  text.append(static_cast<size_t>(std::max(0, columns - DisplayWidth(text))), ' ');
  return text;
}

std::string PadLeft(std::string text, int columns) {
  text.insert(0, static_cast<size_t>(std::max(0, columns - DisplayWidth(text))), ' ');
  return text;
}

std::string Printable(const std::string& text) {
  std::string clean;
  for (size_t i = 0; i < text.size(); ++i) {
    const uint8_t c = static_cast<uint8_t>(text[i]);
    // U+0080 to U+009F, the second set of control characters, are C2 80 to C2 9F in UTF-8.
    const bool high_control = c == 0xC2 && i + 1 < text.size() && static_cast<uint8_t>(text[i + 1]) >= 0x80 &&
                              static_cast<uint8_t>(text[i + 1]) < 0xA0;
    if (c < 0x20 || c == 0x7F || high_control) {
      clean += c == '\n' || c == '\t' ? ' ' : '?';
      if (high_control) ++i;
    } else {
      clean += text[i];
    }
  }
  return clean;
}

}  // namespace reelsight::cli
