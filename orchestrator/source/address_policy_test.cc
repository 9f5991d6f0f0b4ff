// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/address_policy.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <string>

#include "gtest/gtest.h"

namespace reelsight::orchestrator {
namespace {

bool IsPublic(const std::string& text) {
  sockaddr_storage storage = {};
  if (text.find(':') == std::string::npos) {
    auto* inet = reinterpret_cast<sockaddr_in*>(&storage);
    inet->sin_family = AF_INET;
    EXPECT_EQ(inet_pton(AF_INET, text.c_str(), &inet->sin_addr), 1) << text;
  } else {
    auto* inet = reinterpret_cast<sockaddr_in6*>(&storage);
    inet->sin6_family = AF_INET6;
    EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &inet->sin6_addr), 1) << text;
  }
  return IsPublicAddress(reinterpret_cast<sockaddr*>(&storage));
}

TEST(AddressPolicyTest, PublicAddressesAreAllowed) {
  for (const char* text : {"1.1.1.1",         "8.8.8.8",           "9.255.255.255",
                           "11.0.0.0",        "100.63.255.255",    "100.128.0.0",
                           "126.0.0.1",       "128.0.0.1",         "172.15.255.255",
                           "172.32.0.0",      "192.167.0.1",       "192.169.0.1",
                           "198.17.255.255",  "198.20.0.0",        "223.255.255.255",
                           "2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888",
                           "::ffff:8.8.8.8",  "64:ff9b::808:808",  "2002:808:808::1"}) {
    EXPECT_TRUE(IsPublic(text)) << text;
  }
}

TEST(AddressPolicyTest, SpecialAddressesAreRefused) {
  for (const char* text : {"0.0.0.0",
                           "0.1.2.3",
                           "10.0.0.1",
                           "10.255.255.255",
                           "100.64.0.1",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.255.255",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.192",
                           "192.0.2.1",
                           "192.88.99.1",
                           "192.168.0.1",
                           "198.18.0.1",
                           "198.19.255.255",
                           "198.51.100.7",
                           "203.0.113.9",
                           "224.0.0.1",
                           "239.255.255.255",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "::127.0.0.1",
                           "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1",
                           "::ffff:169.254.169.254",
                           "64:ff9b::7f00:1",
                           "64:ff9b:1::1",
                           "100::1",
                           "2001::1",
                           "2001:db8::1",
                           "2002:7f00:1::",
                           "2002:a00:1::1",
                           "3fff::1",
                           "fc00::1",
                           "fd00:ec2::254",
                           "fe80::1",
                           "fec0::1",
                           "ff02::1"}) {
    EXPECT_FALSE(IsPublic(text)) << text;
  }
}

TEST(AddressPolicyTest, OtherFamiliesAreRefused) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  EXPECT_FALSE(IsPublicAddress(reinterpret_cast<sockaddr*>(&address)));
}

}  // namespace
}  // namespace reelsight::orchestrator
