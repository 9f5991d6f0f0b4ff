// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

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

// Is this byte one that continues a UTF-8 code point?
bool Continues(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

}  // namespace

Terminal Terminal::ForDescriptor(int fd) {
  Terminal terminal;
  const std::string term = Env("TERM");
  const std::string color_term = Env("COLORTERM");
  terminal.interactive = isatty(fd) == 1 && term != "dumb";
  terminal.width = WidthOf(fd, 80);
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

int Terminal::WidthOf(int fd, int fallback) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return std::max<int>(40, size.ws_col);
  return fallback;
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
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (i < text.size() && text[i] != 'm' && text[i] != 'K') ++i;
    } else if (!Continues(text[i])) {
      ++width;
    }
  }
  return width;
}

std::string Shorten(const std::string& text, int columns, bool unicode) {
  if (DisplayWidth(text) <= columns) return text;
  const std::string ellipsis = unicode ? "…" : "...";
  const int keep = std::max(0, columns - DisplayWidth(ellipsis));
  size_t end = 0;
  for (int seen = 0; end < text.size(); ++end) {
    if (!Continues(text[end]) && ++seen > keep) break;
  }
  return text.substr(0, end) + ellipsis;
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
