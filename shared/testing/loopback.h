// SPDX-License-Identifier: Apache-2.0
//
// Bare connections to servers of this process, for tests of what comes before any protocol.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cstdint>

#include "gtest/gtest.h"
#include "shared/base/unique_fd.h"

namespace reelsight::testing {

// A connection to 127.0.0.1; if nobody listens there, the test fails.
inline UniqueFd ConnectToLoopback(int port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

}  // namespace reelsight::testing
