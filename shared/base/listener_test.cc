// SPDX-License-Identifier: Apache-2.0
#include "shared/base/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace reelsight {
namespace {

constexpr int kLongMs = 30'000;

UniqueFd NewSocket() { return UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

bool Connect(const UniqueFd& socket, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  return connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

// Waits for an arrival, then accepts.
Listener::Outcome Next(Listener& listener, UniqueFd* connection) {
  pollfd ready = {listener.sockets()[0].get(), POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, kLongMs), 1);
  return listener.Accept(connection);
}

// The peer has closed it.
bool IsClosed(const UniqueFd& socket) {
  pollfd ready = {socket.get(), POLLIN, 0};
  if (poll(&ready, 1, kLongMs) != 1) return false;
  char byte = 0;
  return read(socket.get(), &byte, 1) <= 0;
}

TEST(ListenerTest, AcceptsAgainAfterAShortageOfDescriptors) {
  auto listener = Listener::Open("127.0.0.1:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  UniqueFd connection;
  EXPECT_EQ((*listener)->Accept(&connection), Listener::Outcome::kNone);
  UniqueFd early = NewSocket(), unlucky = NewSocket(), second = NewSocket(), late = NewSocket();
  ASSERT_TRUE(Connect(early, (*listener)->port()));
  EXPECT_EQ(Next(**listener, &connection), Listener::Outcome::kAccepted);

  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit low = {static_cast<rlim_t>(late.get() + 10), limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  std::vector<UniqueFd> hoard;
  for (int fd = 0; (fd = dup(early.get())) >= 0;) hoard.emplace_back(fd);
  ASSERT_TRUE(Connect(unlucky, (*listener)->port()));
  ASSERT_TRUE(Connect(second, (*listener)->port()));
  UniqueFd none;
  EXPECT_EQ(Next(**listener, &none), Listener::Outcome::kRefused);
  EXPECT_EQ(Next(**listener, &none), Listener::Outcome::kRefused);
  EXPECT_FALSE(none.ok());
  EXPECT_TRUE(IsClosed(unlucky));
  EXPECT_TRUE(IsClosed(second));

  hoard.clear();
  ASSERT_TRUE(Connect(late, (*listener)->port()));
  UniqueFd again;
  EXPECT_EQ(Next(**listener, &again), Listener::Outcome::kAccepted);
  EXPECT_TRUE(again.ok());
  setrlimit(RLIMIT_NOFILE, &limit);
}

TEST(ListenerTest, AddressesOfAllForms) {
  for (const char* address : {"127.0.0.1:0", "localhost:0", "0.0.0.0:0", "[::]:0"}) {
    auto listener = Listener::Open(address);
    ASSERT_TRUE(listener.ok()) << address << ": " << listener.status();
    const UniqueFd client = NewSocket();
    EXPECT_TRUE(Connect(client, (*listener)->port())) << address;
  }
  for (const char* address : {"", "127.0.0.1", ":1", "127.0.0.1:x", "127.0.0.1:70000"}) {
    EXPECT_EQ(Listener::Open(address).status().code(), absl::StatusCode::kInvalidArgument) << address;
  }
}

TEST(ListenerTest, APortInUseIsNotShared) {
  auto listener = Listener::Open("127.0.0.1:0");
  ASSERT_TRUE(listener.ok());
  for (const char* host : {"127.0.0.1", "localhost", "0.0.0.0"}) {
    EXPECT_EQ(Listener::Open(absl::StrCat(host, ":", (*listener)->port())).status().code(),
              absl::StatusCode::kUnavailable)
        << host;
  }
}

}  // namespace
}  // namespace reelsight
