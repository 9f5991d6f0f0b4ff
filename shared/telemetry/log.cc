// SPDX-License-Identifier: Apache-2.0
#include "shared/telemetry/log.h"

#include <cmath>
#include <cstdio>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "shared/base/status.h"
#include "shared/base/utf8.h"

namespace reelsight::telemetry {
namespace {

// Never destroyed: threads may log until the very end.
LogOptions& CurrentOptions() {
  static LogOptions& options = *new LogOptions();
  return options;
}

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return "trace";
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

// Text lines quote what could be mistaken for something else.
bool NeedsQuotes(std::string_view text) {
  if (text.empty()) return true;
  for (const unsigned char c : text) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7F) return true;
  }
  return false;
}

// A message keeps its spaces; only what could break the line is escaped.
void AppendTextMessage(std::string_view message, std::string* out) {
  std::string quoted;
  AppendJsonString(message, &quoted);
  for (size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] == '\\' && (quoted[i + 1] == '"' || quoted[i + 1] == '\\')) ++i;
    out->push_back(quoted[i]);
  }
}

void Write(LogLevel level, std::string_view request_id, std::string_view message, std::span<const LogField> fields) {
  const int64_t time_ms = absl::ToUnixMillis(absl::Now());
  std::string line = FormatLogLine(CurrentOptions(), time_ms, level, request_id, message, fields);
  line.push_back('\n');
  // The stream has a lock of its own and no buffer: a line goes out whole, in one call.
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

LogField::LogField(std::string_view k, double value) : key(k), quoted(!std::isfinite(value)) {
  text = absl::StrFormat("%.6g", value);
}

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  while (!text.empty()) {
    const unsigned char c = text[0];
    const size_t length = FirstCharacter(text).bytes;
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(static_cast<char>(c));
    } else if (c == '\n') {
      out->append("\\n");
    } else if (c == '\r') {
      out->append("\\r");
    } else if (c == '\t') {
      out->append("\\t");
    } else if (c < 0x20 || c == 0x7F) {
      absl::StrAppendFormat(out, "\\u%04x", c);
    } else if (length == 0) {
      out->append("\xEF\xBF\xBD");
    } else if (length == 2 && c == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) {
      // C1 control characters: some terminals act on them.
      absl::StrAppendFormat(out, "\\u%04x", static_cast<unsigned char>(text[1]));
    } else {
      out->append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out->push_back('"');
}

std::string FormatLogLine(const LogOptions& options, int64_t time_ms, LogLevel level, std::string_view request_id,
                          std::string_view message, std::span<const LogField> fields) {
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(time_ms), absl::UTCTimeZone());
  std::string line;
  if (options.json) {
    const auto append = [&](std::string_view key, std::string_view value) {
      line.push_back(line.empty() ? '{' : ',');
      AppendJsonString(key, &line);
      line.push_back(':');
      AppendJsonString(value, &line);
    };
    append("time", time);
    append("level", LevelName(level));
    append("service", options.service);
    if (!request_id.empty()) append("request_id", request_id);
    append("message", message);
    for (const LogField& field : fields) {
      if (field.quoted) {
        append(field.key, field.text);
      } else {
        line.push_back(',');
        AppendJsonString(field.key, &line);
        absl::StrAppend(&line, ":", field.text);
      }
    }
    line.push_back('}');
    return line;
  }
  absl::StrAppend(&line, time, " ", absl::StrFormat("%-5s", ToAbsl(LevelName(level))), " ", options.service, ": ");
  AppendTextMessage(message, &line);
  const auto append = [&](std::string_view key, std::string_view value) {
    absl::StrAppend(&line, " ", ToAbsl(key), "=");
    if (NeedsQuotes(value)) {
      AppendJsonString(value, &line);
    } else {
      line.append(value);
    }
  };
  if (!request_id.empty()) append("request_id", request_id);
  for (const LogField& field : fields) append(field.key, field.text);
  return line;
}

void InitLog(const LogOptions& options) { CurrentOptions() = options; }

bool LogEnabled(LogLevel level) { return level >= CurrentOptions().level; }

void Log(LogLevel level, std::string_view request_id, std::string_view message,
         std::initializer_list<LogField> fields) {
  if (LogEnabled(level)) Write(level, request_id, message, {fields.begin(), fields.size()});
}

void LogStatus(LogLevel level, std::string_view request_id, std::string_view message, const absl::Status& status,
               std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  std::vector<LogField> all(fields);
  all.emplace_back("code", absl::StatusCodeToString(status.code()));
  if (const std::string reason = GetReason(status); !reason.empty()) all.emplace_back("reason", reason);
  all.emplace_back("error", std::string_view(status.message().data(), status.message().size()));
  Write(level, request_id, message, all);
}

absl::Status ParseLogLevel(std::string_view name, LogLevel* level) {
  *level = LogLevel::kInfo;
  if (name.empty()) return absl::OkStatus();
  for (const LogLevel candidate :
       {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (LevelName(candidate) != name) continue;
    *level = candidate;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown log level '", ToAbsl(name), "'; use trace, debug, info, warn or error"));
}

}  // namespace reelsight::telemetry
