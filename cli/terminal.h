// SPDX-License-Identifier: Apache-2.0
//
// What the stream in front of us can show. Decided once from the environment; everything that renders takes it as a
// plain value, so tests need no terminal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace reelsight::cli {

struct Terminal {
  enum class Colors { kNone, k256, kTrueColor };

  // True if a person looks at it.
  bool interactive = false;
  Colors colors = Colors::kNone;
  // True if it shows UTF-8.
  bool unicode = false;
  // Columns and lines of the window, at least 1.
  int width = 80;
  int height = 24;

  // For a file descriptor. Colours need a terminal, TERM other than `dumb` and no NO_COLOR; 24-bit ones need
  // COLORTERM=truecolor or 24bit. CLICOLOR_FORCE, not 0, gives 24-bit colours to anything.
  static Terminal ForDescriptor(int fd);
  // Takes the current size of the window behind `fd`; unchanged where there is none.
  void Measure(int fd);
};

// Wraps text in escape sequences where the terminal has colours; else gives the text unchanged.
std::string Bold(const Terminal& terminal, const std::string& text);
std::string Dim(const Terminal& terminal, const std::string& text);
std::string Red(const Terminal& terminal, const std::string& text);
std::string Green(const Terminal& terminal, const std::string& text);
std::string Yellow(const Terminal& terminal, const std::string& text);
// A block of the sRGB colour `#rrggbb`, `columns` wide; empty without colours or for text that is no colour.
std::string Swatch(const Terminal& terminal, const std::string& hex, int columns);

// Columns that UTF-8 text takes, without escape sequences: two for a wide character (Chinese, Japanese, Korean, emoji),
// none for a combining one.
int DisplayWidth(const std::string& text);
// Cut to `columns`, with an ellipsis where something is lost. REQUIRES: no escape sequences in `text`.
std::string Shorten(const std::string& text, int columns, bool unicode);
// Lines of at most `columns`, broken at blanks; a longer word stays whole. REQUIRES: no escape sequences in `text`.
std::vector<std::string> Wrap(const std::string& text, int columns);
// Filled with blanks to `columns`.
std::string PadRight(std::string text, int columns);
std::string PadLeft(std::string text, int columns);
// Text of a stranger (file names, server messages) without control characters, so that it cannot steer the terminal.
std::string Printable(const std::string& text);

}  // namespace reelsight::cli
