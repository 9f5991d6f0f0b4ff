// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/server_config.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::rpc {
namespace {

config::v1::ServerConfig Defaults() {
  config::v1::ServerConfig config;
  ApplyDefaults("127.0.0.1:7010", "", &config);
  return config;
}

TEST(ServerConfigTest, DefaultsAreValidAndBounded) {
  const config::v1::ServerConfig config = Defaults();
  EXPECT_TRUE(CheckServerConfig(config).ok()) << CheckServerConfig(config);
  EXPECT_EQ(config.listen_address(), "127.0.0.1:7010");
  EXPECT_EQ(config.max_receive_bytes(), 64 << 20);
  EXPECT_TRUE(config.reflection());
  config::v1::ServerConfig set;
  set.set_max_receive_bytes(1 << 20);
  set.set_reflection(false);
  ApplyDefaults("127.0.0.1:7010", "", &set);
  EXPECT_EQ(set.max_receive_bytes(), 1 << 20);
  EXPECT_FALSE(set.reflection());
}

TEST(ServerConfigTest, NamesWhatCannotBe) {
  const auto field = [](auto change) {
    config::v1::ServerConfig config = Defaults();
    change(config);
    return GetMetadata(CheckServerConfig(config), "field");
  };
  EXPECT_EQ(field([](auto& c) { c.set_listen_address("nowhere"); }), "server.listen_address");
  EXPECT_EQ(field([](auto& c) { c.set_listen_address("127.0.0.1:70000"); }), "server.listen_address");
  EXPECT_EQ(field([](auto& c) { c.set_metrics_address(":9010"); }), "server.metrics_address");
  EXPECT_EQ(field([](auto& c) { c.set_max_receive_bytes(10); }), "server.max_receive_bytes");
  EXPECT_EQ(field([](auto& c) { c.set_drain_seconds(-1); }), "server.drain_seconds");
  EXPECT_EQ(field([](auto& c) { c.set_drain_seconds(std::numeric_limits<double>::quiet_NaN()); }),
            "server.drain_seconds");
  EXPECT_EQ(field([](auto& c) { c.set_max_connections(-1); }), "server.max_connections");
  EXPECT_EQ(field([](auto& c) { c.set_handshake_timeout_seconds(-1); }), "server.handshake_timeout_seconds");
  EXPECT_EQ(field([](auto& c) { c.mutable_log()->set_level("loud"); }), "server.log.level");
  EXPECT_EQ(field([](auto& c) {
              c.mutable_tls()->set_certificate_file("/tmp");
              c.mutable_tls()->set_private_key_file("/tmp");
            }),
            "tls.certificate_file");
  EXPECT_EQ(field([](auto& c) { c.mutable_tls(); }), "tls.certificate_file");
  EXPECT_EQ(field([](auto& c) {
              c.mutable_tls()->set_certificate_file("/no/such.pem");
              c.mutable_tls()->set_private_key_file("/no/such.key");
            }),
            "tls.certificate_file");
}

}  // namespace
}  // namespace reelsight::rpc
