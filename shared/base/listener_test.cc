// SPDX-License-Identifier: Apache-2.0
#include "shared/base/listener.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

// What the next calls of accept4 fail with.
std::deque<int> accept_errors;
bool without_ipv6 = false;

}  // namespace

// Stand before those of the C library.
extern "C" int accept4(int socket, sockaddr* address, socklen_t* size, int flags) {
  if (!accept_errors.empty()) {
    errno = accept_errors.front();
    accept_errors.pop_front();
    return -1;
  }
  static const auto next = reinterpret_cast<decltype(&accept4)>(dlsym(RTLD_NEXT, "accept4"));
  return next(socket, address, size, flags);
}
extern "C" int socket(int domain, int type, int protocol) noexcept {
  if (domain == AF_INET6 && without_ipv6) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  static const auto next = reinterpret_cast<decltype(&socket)>(dlsym(RTLD_NEXT, "socket"));
  return next(domain, type, protocol);
}
// Knows a name with two addresses: "127.0.0.1+127.0.0.2".
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
  static const auto next = reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  const std::string names = name;
  const size_t plus = names.find('+');
  const int code = next(names.substr(0, plus).c_str(), service, hints, found);
  if (plus == std::string::npos || code != 0) return code;
  return next(names.substr(plus + 1).c_str(), service, hints, &(*found)->ai_next);
}

namespace reelsight {
namespace {

using ::testing::HasSubstr;

constexpr int kLongMs = 30'000;

UniqueFd NewSocket() { return UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

bool Connect(const UniqueFd& socket, int port, const char* host = "127.0.0.1") {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host, &address.sin_addr);
  return connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

bool ConnectByIpv6(int port) {
  const UniqueFd client(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<uint16_t>(port));
  address.sin6_addr = in6addr_loopback;
  return connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

bool HasIpv6() { return Listener::Open("[::1]:0").ok(); }

int Option(const UniqueFd& socket, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  getsockopt(socket.get(), level, name, &value, &size);
  return value;
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
    EXPECT_GT((*listener)->port(), 0);
    EXPECT_EQ(ToString((*listener)->address()),
              absl::StrCat(absl::string_view(address, std::strlen(address) - 1), (*listener)->port()));
  }
  for (const char* address :
       {"", "127.0.0.1", ":1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:65536", "::1:0"}) {
    const absl::Status status = Listener::Open(address).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_EQ(status.message(), absl::StrCat("'", address, "' is not host:port"));
  }
  // It may be taken, but it is a port.
  EXPECT_NE(Listener::Open("127.0.0.1:65535").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ListenerTest, WhatCannotBeListenedOnSaysWhy) {
  const absl::Status unknown = Listener::Open("no such host:0").status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("no such host: "));
  // For documentation, so nobody's.
  EXPECT_EQ(Listener::Open("192.0.2.1:0").status(), absl::UnavailableError("Cannot assign requested address"));
}

TEST(ListenerTest, AGivenPortIsTheOneThatIsTaken) {
  auto listener = Listener::Open("127.0.0.1:0");
  ASSERT_TRUE(listener.ok());
  const int port = (*listener)->port();
  (*listener)->Close();
  EXPECT_TRUE((*listener)->sockets().empty());
  for (const char* host : {"127.0.0.1", "0.0.0.0"}) {
    auto again = Listener::Open(absl::StrCat(host, ":", port));
    ASSERT_TRUE(again.ok()) << host << ": " << again.status();
    EXPECT_EQ((*again)->port(), port);
    EXPECT_TRUE(Connect(NewSocket(), port));
  }
}

TEST(ListenerTest, OnlyTheAddressesOfAllKindsTakeBothKinds) {
  if (!HasIpv6()) GTEST_SKIP() << "this machine has no IPv6";
  for (const char* address : {"0.0.0.0:0", "[::]:0"}) {
    auto listener = Listener::Open(address);
    ASSERT_TRUE(listener.ok()) << address << ": " << listener.status();
    EXPECT_TRUE(Connect(NewSocket(), (*listener)->port())) << address;
    EXPECT_TRUE(ConnectByIpv6((*listener)->port())) << address;
  }
  auto listener = Listener::Open("[::1]:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(ConnectByIpv6((*listener)->port()));
  EXPECT_EQ(Option((*listener)->sockets()[0], IPPROTO_IPV6, IPV6_V6ONLY), 1);
  // A port that somebody has in one family is not taken in the other.
  EXPECT_EQ(Listener::Open(absl::StrCat("0.0.0.0:", (*listener)->port())).status(),
            absl::UnavailableError("Address already in use"));
  // Not both of the brackets.
  EXPECT_FALSE(Listener::Open("[::1:0").ok());
  EXPECT_FALSE(Listener::Open("::1]:0").ok());
}

TEST(ListenerTest, WhereThereIsNoIpv6AllAddressesAreThoseOfIpv4) {
  without_ipv6 = true;
  for (const char* address : {"0.0.0.0:0", "[::]:0"}) {
    auto listener = Listener::Open(address);
    ASSERT_TRUE(listener.ok()) << address << ": " << listener.status();
    EXPECT_TRUE(Connect(NewSocket(), (*listener)->port())) << address;
    EXPECT_EQ(Listener::Open(absl::StrCat("0.0.0.0:", (*listener)->port())).status(),
              absl::UnavailableError("Address already in use"));
  }
  EXPECT_EQ(Listener::Open("[::1]:0").status(), absl::UnavailableError("Address family not supported by protocol"));
  without_ipv6 = false;
}

TEST(ListenerTest, AllAddressesOfANameShareThePort) {
  auto listener = Listener::Open("127.0.0.1+127.0.0.2:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  ASSERT_EQ((*listener)->sockets().size(), 2u);
  UniqueFd connection;
  const UniqueFd first = NewSocket(), second = NewSocket();
  EXPECT_TRUE(Connect(second, (*listener)->port(), "127.0.0.2"));
  EXPECT_EQ((*listener)->Accept(&connection), Listener::Outcome::kAccepted);
  EXPECT_TRUE(Connect(first, (*listener)->port(), "127.0.0.1"));
  EXPECT_EQ((*listener)->Accept(&connection), Listener::Outcome::kAccepted);
  EXPECT_EQ((*listener)->Accept(&connection), Listener::Outcome::kNone);
  if (!HasIpv6()) GTEST_SKIP() << "this machine has no IPv6";
  for (const char* address : {"[127.0.0.1+::1]:0", "[::1+127.0.0.1]:0"}) {
    auto both = Listener::Open(address);
    ASSERT_TRUE(both.ok()) << both.status();
    EXPECT_EQ((*both)->sockets().size(), 2u);
    EXPECT_TRUE(Connect(NewSocket(), (*both)->port())) << address;
    EXPECT_TRUE(ConnectByIpv6((*both)->port())) << address;
  }
}

TEST(ListenerTest, AnAddressOfANameThatSomebodyHasIsNotLeftToThem) {
  auto other = Listener::Open("127.0.0.2:0");
  ASSERT_TRUE(other.ok());
  const int port = (*other)->port();
  for (const char* name : {"127.0.0.1+127.0.0.2", "127.0.0.2+127.0.0.1"}) {
    EXPECT_EQ(Listener::Open(absl::StrCat(name, ":", port)).status(), absl::UnavailableError("Address already in use"));
  }
  // One that is not this machine's is nobody's.
  for (const char* name : {"127.0.0.1+192.0.2.1", "192.0.2.1+127.0.0.1"}) {
    auto half = Listener::Open(absl::StrCat(name, ":0"));
    ASSERT_TRUE(half.ok()) << half.status();
    EXPECT_EQ((*half)->sockets().size(), 1u);
  }
}

TEST(ListenerTest, ConnectionsDoNotBlockOrDelayAndAreNotInherited) {
  auto listener = Listener::Open("127.0.0.1:0");
  ASSERT_TRUE(listener.ok());
  const UniqueFd client = NewSocket();
  ASSERT_TRUE(Connect(client, (*listener)->port()));
  UniqueFd connection;
  ASSERT_EQ(Next(**listener, &connection), Listener::Outcome::kAccepted);
  EXPECT_EQ(Option(connection, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(Option((*listener)->sockets()[0], SOL_SOCKET, SO_REUSEADDR), 1);
  for (const UniqueFd* fd : {&(*listener)->sockets()[0], &static_cast<const UniqueFd&>(connection)}) {
    EXPECT_TRUE(fcntl(fd->get(), F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC);
  }
}

class AcceptErrorsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto listener = Listener::Open("127.0.0.1:0");
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
  }
  void TearDown() override { EXPECT_TRUE(accept_errors.empty()); }

  // What comes of one that waits, after these errors.
  Listener::Outcome AcceptAfter(std::deque<int> errors) {
    client_ = NewSocket();
    EXPECT_TRUE(Connect(client_, listener_->port()));
    accept_errors = std::move(errors);
    return listener_->Accept(&connection_);
  }

  std::unique_ptr<Listener> listener_;
  UniqueFd client_, connection_;
};

TEST_F(AcceptErrorsTest, ABrokenConnectionIsSteppedOver) {
  EXPECT_EQ(AcceptAfter({ECONNABORTED, EPROTO, EINTR, EPERM}), Listener::Outcome::kAccepted);
  EXPECT_TRUE(connection_.ok());
}

TEST_F(AcceptErrorsTest, WhereThereIsNoSocketNothingComes) {
  for (const int error : {EAGAIN, EBADF, EINVAL, ENOTSOCK}) {
    EXPECT_EQ(AcceptAfter({error}), Listener::Outcome::kNone) << error;
    EXPECT_FALSE(connection_.ok());
  }
}

TEST_F(AcceptErrorsTest, EveryShortageRefuses) {
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    EXPECT_EQ(AcceptAfter({error}), Listener::Outcome::kRefused) << error;
    EXPECT_FALSE(connection_.ok());
    EXPECT_TRUE(IsClosed(client_));
  }
}

TEST_F(AcceptErrorsTest, OneThatWaitsThroughALongShortageIsAcceptedLater) {
  EXPECT_EQ(AcceptAfter({EMFILE, EMFILE}), Listener::Outcome::kStarved);
  EXPECT_EQ(listener_->Accept(&connection_), Listener::Outcome::kAccepted);
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
