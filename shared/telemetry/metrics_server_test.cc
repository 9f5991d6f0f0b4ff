// SPDX-License-Identifier: Apache-2.0
#include "shared/telemetry/metrics_server.h"

#include <sys/socket.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/testing/loopback.h"

namespace reelsight::telemetry {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class MetricsServerTest : public ::testing::Test {
 protected:
  void Start(MetricsServer::Options options) {
    auto listener = Listener::Open("127.0.0.1:0");
    ASSERT_TRUE(listener.ok()) << listener.status();
    server_ = std::make_unique<MetricsServer>(*std::move(listener), options, [] { return std::string("text\n"); });
  }
  UniqueFd Connect() const { return reelsight::testing::ConnectToLoopback(server_->port()); }
  static void Send(const UniqueFd& fd, const std::string& text) {
    EXPECT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // All that comes until the end.
  static std::string Read(const UniqueFd& fd) {
    std::string text;
    char buffer[1000];
    for (ssize_t count = 0; (count = recv(fd.get(), buffer, sizeof(buffer), 0)) > 0;) {
      text.append(buffer, static_cast<size_t>(count));
    }
    return text;
  }
  std::string Get(const std::string& request) const {
    const UniqueFd fd = Connect();
    Send(fd, request);
    return Read(fd);
  }

  std::unique_ptr<MetricsServer> server_;
};

TEST_F(MetricsServerTest, AnswersWhatItIsAskedAndNothingElse) {
  Start({});
  EXPECT_THAT(Get("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(Get("GET /metrics?x=y HTTP/1.0\r\n\r\n"), EndsWith("\r\n\r\ntext\n"));
  EXPECT_THAT(Get("HEAD /metrics HTTP/1.1\r\n\r\n"), EndsWith("Content-Length: 5\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(Get("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Get("POST /metrics HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Get("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Get(std::string(8192 + 1, 'x')), StartsWith("HTTP/1.1 431 "));
}

TEST_F(MetricsServerTest, ARequestMayComeInPieces) {
  Start({});
  const UniqueFd fd = Connect();
  for (const char byte : std::string("GET /metrics HTTP/1.1\r\n\r\n")) Send(fd, std::string(1, byte));
  EXPECT_THAT(Read(fd), HasSubstr("200 OK"));
}

TEST_F(MetricsServerTest, ThoseWhoHoldConnectionsKeepNobodyOut) {
  Start({.max_connections = 4, .timeout = std::chrono::hours(24)});
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 100; ++i) {
    idle.push_back(Connect());
    if (i % 2 == 0) Send(idle.back(), "GET /met");
  }
  EXPECT_THAT(Get("GET /metrics HTTP/1.1\r\n\r\n"), HasSubstr("200 OK"));
  // The oldest had to go.
  EXPECT_EQ(Read(idle.front()), "");
}

TEST_F(MetricsServerTest, AConnectionHasItsTime) {
  Start({.timeout = std::chrono::milliseconds(20)});
  const UniqueFd fd = Connect();
  Send(fd, "GET /metrics HTTP/1.1\r\n");
  EXPECT_EQ(Read(fd), "");
}

}  // namespace
}  // namespace reelsight::telemetry
