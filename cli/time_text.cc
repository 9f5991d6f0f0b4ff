// SPDX-License-Identifier: Apache-2.0
#include "cli/time_text.h"

#include <cmath>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "shared/base/status.h"

namespace reelsight::cli {
namespace {

absl::Status BadTime(const std::string& text) {
  return absl::InvalidArgumentError(
      absl::StrCat("`", text, "` is no time; write seconds (`12.5`), `500ms`, `1m30s`, `1:02.5` or `1:02:03`"));
}

// Digits with at most one point; no sign, exponent, inf or nan.
bool ParsePlainNumber(absl::string_view text, double* value) {
  if (text.empty() || text.find_first_not_of("0123456789.") != absl::string_view::npos) return false;
  return absl::SimpleAtod(text, value);
}

}  // namespace

absl::StatusOr<absl::Duration> ParseTime(const std::string& text) {
  double number = 0;
  if (ParsePlainNumber(text, &number)) {
    if (number > 1e9) return BadTime(text);
    return absl::Seconds(number);
  }
  if (text.find(':') != std::string::npos) {
    const std::vector<std::string> parts = absl::StrSplit(text, ':');
    if (parts.size() > 3) return BadTime(text);
    double seconds = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      const bool last = i + 1 == parts.size();
      if (!ParsePlainNumber(parts[i], &number)) return BadTime(text);
      if (!last && number != std::floor(number)) return BadTime(text);
      if (i > 0 && number >= 60) return BadTime(text);
      seconds = seconds * 60 + number;
    }
    return seconds > 1e9 ? absl::StatusOr<absl::Duration>(BadTime(text)) : absl::Seconds(seconds);
  }
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration() || duration > absl::Seconds(1e9)) {
    return BadTime(text);
  }
  return duration;
}

std::string FormatPlace(absl::Duration offset) {
  const bool negative = offset < absl::ZeroDuration();
  const int64_t ms = absl::ToInt64Milliseconds((negative ? -offset : offset) + absl::Microseconds(500));
  const char* sign = negative && ms > 0 ? "-" : "";
  const int64_t hours = ms / 3'600'000, minutes = ms / 60'000 % 60, seconds = ms / 1000 % 60;
  return hours > 0 ? absl::StrFormat("%s%d:%02d:%02d.%03d", sign, hours, minutes, seconds, ms % 1000)
                   : absl::StrFormat("%s%d:%02d.%03d", sign, minutes, seconds, ms % 1000);
}

std::string FormatLength(absl::Duration length) {
  const double seconds = absl::ToDoubleSeconds(length);
  if (seconds < 0.9995e-3) return absl::StrFormat("%.0f µs", seconds * 1e6);
  if (seconds < 0.00995) return absl::StrFormat("%.1f ms", seconds * 1e3);
  if (seconds < 0.9995) return absl::StrFormat("%.0f ms", seconds * 1e3);
  if (seconds < 9.995) return absl::StrFormat("%.2f s", seconds);
  if (seconds < 99.95) return absl::StrFormat("%.1f s", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return absl::StrFormat("%d m %02d s", whole / 60, whole % 60);
  return absl::StrFormat("%d h %02d m", whole / 3600, whole / 60 % 60);
}

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes);
  const char* unit = "B";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return absl::StrFormat("%.1f %s", value, unit);
}

std::string FormatCount(int64_t count) {
  const std::string digits = absl::StrCat(count);
  const size_t sign = count < 0 ? 1 : 0;
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string FormatRate(double rate) {
  std::string text = absl::StrFormat("%.3f", rate);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace reelsight::cli
