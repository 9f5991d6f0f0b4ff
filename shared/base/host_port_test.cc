// SPDX-License-Identifier: Apache-2.0
#include "shared/base/host_port.h"

#include "gtest/gtest.h"

namespace reelsight {
namespace {

TEST(HostPortTest, ReadsEachForm) {
  const auto is = [](const char* address, const char* host, int port) {
    const auto read = ParseHostPort(address);
    ASSERT_TRUE(read.has_value()) << address;
    EXPECT_EQ(read->host, host);
    EXPECT_EQ(read->port, port);
    EXPECT_EQ(ToString(*read), address);
  };
  is("127.0.0.1:7010", "127.0.0.1", 7010);
  is("localhost:0", "localhost", 0);
  is("[::]:65535", "::", 65535);
  is("[fe80::1%eth0]:80", "fe80::1%eth0", 80);
  is("a:1", "a", 1);
}

TEST(HostPortTest, RefusesOthers) {
  for (const char* address : {"",
                              ":",
                              "host",
                              ":80",
                              "host:",
                              "host:x",
                              "host:8x",
                              "host:-1",
                              "host:+1",
                              "host: 1",
                              "host:65536",
                              "host:000080",
                              "::1:80",
                              "::1",
                              "[::1]",
                              "[]:80",
                              "[:80",
                              "]:80",
                              "[::1:80",
                              "::1]:80",
                              "[[::1]]:80",
                              "http://host:80",
                              "host/path:80",
                              "a:b:80"}) {
    EXPECT_FALSE(ParseHostPort(address).has_value()) << address;
  }
}

}  // namespace
}  // namespace reelsight
