// SPDX-License-Identifier: Apache-2.0
#include "shared/telemetry/log.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "shared/base/unique_fd.h"

namespace reelsight::telemetry {
namespace {

constexpr int64_t kTimeMs = 1'700'000'000'123;

TEST(LogTest, JsonLineEscapesWhatCouldBreakIt) {
  const std::array<LogField, 4> fields = {LogField("uri", "a\"b\\c\n\x1b[2J\x7f"), LogField("frames", 3),
                                          LogField("ok", true), LogField("seconds", 0.25)};
  EXPECT_EQ(FormatLogLine({.json = true, .service = "s"}, kTimeMs, LogLevel::kWarn, "r\t1", "bad \xff\xc3\xa9", fields),
            "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warn\",\"service\":\"s\",\"request_id\":\"r\\t1\","
            "\"message\":\"bad \xEF\xBF\xBD\xC3\xA9\",\"uri\":\"a\\\"b\\\\c\\n\\u001b[2J\\u007f\",\"frames\":3,"
            "\"ok\":true,\"seconds\":0.25}");
}

TEST(LogTest, JsonHasNoNumbersThatJsonLacks) {
  const std::array<LogField, 1> fields = {LogField("x", 0.0 / 0.0)};
  const std::string line = FormatLogLine({.json = true}, kTimeMs, LogLevel::kInfo, "", "m", fields);
  EXPECT_TRUE(line.find("nan\"}") != std::string::npos) << line;
  EXPECT_EQ(line.find("request_id"), std::string::npos);
}

TEST(LogTest, InvalidUtf8IsReplaced) {
  for (const char* const bad : {"\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\x80"}) {
    std::string out;
    AppendJsonString(bad, &out);
    EXPECT_EQ(out.substr(0, 4), "\"\xEF\xBF\xBD") << out;
  }
  std::string out;
  AppendJsonString("\xF0\x9F\x8E\xAC\xC2\x85", &out);
  EXPECT_EQ(out, "\"\xF0\x9F\x8E\xAC\\u0085\"");
}

TEST(LogTest, TextLineStaysOneLine) {
  const std::array<LogField, 2> fields = {LogField("code", "OK"), LogField("note", "two\nlines = bad")};
  EXPECT_EQ(FormatLogLine({.service = "s"}, kTimeMs, LogLevel::kInfo, "r1", "say \"hi\"\nnow \\ then", fields),
            "2023-11-14T22:13:20.123Z info  s: say \"hi\"\\nnow \\ then request_id=r1 code=OK "
            "note=\"two\\nlines = bad\"");
}

// So that those of threads and processes do not mix.
TEST(LogTest, ALineGoesOutWholeInOneCall) {
  // Each write to such a socket stays apart from the others.
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
  const UniqueFd reader(sockets[0]), saved(dup(STDERR_FILENO));
  dup2(sockets[1], STDERR_FILENO);
  close(sockets[1]);
  const std::string text(10'000, 'x');
  Log(LogLevel::kInfo, "r1", "short");
  Log(LogLevel::kDebug, "r1", "below the level");
  Log(LogLevel::kError, "", text, {{"frames", 3}});
  dup2(saved.get(), STDERR_FILENO);
  std::string line(2 * text.size(), '\0');
  constexpr size_t kTimeChars = 25;
  for (const std::string& expected : {std::string("info  reelsight: short request_id=r1\n"),
                                      absl::StrCat("error reelsight: ", text, " frames=3\n")}) {
    const ssize_t size = recv(reader.get(), line.data(), line.size(), MSG_DONTWAIT);
    ASSERT_GT(size, static_cast<ssize_t>(kTimeChars));
    EXPECT_EQ(line.substr(kTimeChars, static_cast<size_t>(size) - kTimeChars), expected);
  }
  EXPECT_EQ(recv(reader.get(), line.data(), line.size(), MSG_DONTWAIT), 0);
}

TEST(LogTest, ParsesLevels) {
  LogLevel level = LogLevel::kError;
  EXPECT_TRUE(ParseLogLevel("", &level).ok());
  EXPECT_EQ(level, LogLevel::kInfo);
  EXPECT_TRUE(ParseLogLevel("debug", &level).ok());
  EXPECT_EQ(level, LogLevel::kDebug);
  EXPECT_EQ(ParseLogLevel("loud", &level).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace reelsight::telemetry
