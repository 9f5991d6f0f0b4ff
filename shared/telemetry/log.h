// SPDX-License-Identifier: Apache-2.0
//
// The program's log: one line an event to standard error, as text for a person or as JSON for a collector. Not a place
// for results: those go to standard output.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"

namespace reelsight::telemetry {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError };

// One key and value. Numbers and booleans stay such in JSON.
struct LogField {
  std::string key;
  std::string text;
  bool quoted = true;

  LogField(std::string_view k, std::string_view value) : key(k), text(value) {}
  LogField(std::string_view k, const char* value) : key(k), text(value) {}
  LogField(std::string_view k, const std::string& value) : key(k), text(value) {}
  LogField(std::string_view k, bool value) : key(k), text(value ? "true" : "false"), quoted(false) {}
  LogField(std::string_view k, double value);
  template <typename T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  LogField(std::string_view k, T value) : key(k), text(std::to_string(value)), quoted(false) {}
};

struct LogOptions {
  bool json = false;
  LogLevel level = LogLevel::kInfo;
  // Name of the program, in every line.
  std::string service = "reelsight";
};

// Sets how lines look. Call once, before threads start; until then lines are text from level `info`.
void InitLog(const LogOptions& options);

// Writes one line: time, level, service, message, request id if there is one, fields. Thread-safe; lines do not mix.
void Log(LogLevel level, std::string_view request_id, std::string_view message,
         std::initializer_list<LogField> fields = {});
// The same for an error: its code, reason and message become fields.
void LogStatus(LogLevel level, std::string_view request_id, std::string_view message, const absl::Status& status,
               std::initializer_list<LogField> fields = {});
// True if lines of this level are written.
bool LogEnabled(LogLevel level);

// `trace`, `debug`, `info`, `warn` or `error`; empty is `info`. INVALID_ARGUMENT else.
absl::Status ParseLogLevel(std::string_view name, LogLevel* level);

// Appends `text` as a JSON string with its quotes: control characters escaped, invalid UTF-8 replaced by U+FFFD.
void AppendJsonString(std::string_view text, std::string* out);
// One line without its end, for tests. `time_ms`: milliseconds since the epoch, UTC.
std::string FormatLogLine(const LogOptions& options, int64_t time_ms, LogLevel level, std::string_view request_id,
                          std::string_view message, std::span<const LogField> fields);

}  // namespace reelsight::telemetry
