// SPDX-License-Identifier: Apache-2.0
#include "shared/base/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

UniqueFd OpenReserve() { return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

void SetOption(int socket, int level, int option, int value) {
  setsockopt(socket, level, option, &value, sizeof(value));
}

void SetPort(sockaddr* address, int port) {
  const auto network = htons(static_cast<uint16_t>(port));
  if (address->sa_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = network;
  } else {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = network;
  }
}

int PortOf(int socket) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

// Not ok, with errno, if that cannot be.
UniqueFd ListenOn(const sockaddr* address, socklen_t size, bool both_families) {
  UniqueFd fd(socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.ok()) return fd;
  // A port whose last connections are still being buried may be used; one that somebody listens on may not.
  SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address->sa_family == AF_INET6) SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, both_families ? 0 : 1);
  // Accepted connections have it too.
  SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (bind(fd.get(), address, size) == 0 && listen(fd.get(), SOMAXCONN) == 0) return fd;
  const int error = errno;
  fd.reset();
  errno = error;
  return fd;
}

bool IsShortage(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

int AcceptOne(int socket) {
  while (true) {
    const int fd = accept4(socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    // Else the connection was broken before it was looked at: so the next.
    if (fd >= 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EBADF || errno == EINVAL || errno == ENOTSOCK ||
        IsShortage(errno)) {
      return fd;
    }
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(const std::string& address) {
  const std::optional<HostPort> asked = ParseHostPort(address);
  if (!asked) return absl::InvalidArgumentError(absl::StrCat("'", address, "' is not host:port"));
  auto [host, port] = *asked;
  std::unique_ptr<Listener> listener(new Listener());
  int error = EADDRNOTAVAIL;
  if (host == "0.0.0.0" || host == "::") {
    sockaddr_in6 any = {};
    any.sin6_family = AF_INET6;
    any.sin6_addr = in6addr_any;
    any.sin6_port = htons(static_cast<uint16_t>(port));
    UniqueFd fd = ListenOn(reinterpret_cast<const sockaddr*>(&any), sizeof(any), true);
    if (!fd.ok()) error = errno;
    if (fd.ok()) listener->sockets_.push_back(std::move(fd));
    // Without IPv6, below.
    host = "0.0.0.0";
  }
  if (listener->sockets_.empty() && error != EADDRINUSE) {
    addrinfo hints = {};
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); code != 0) {
      return absl::UnavailableError(absl::StrCat(host, ": ", gai_strerror(code)));
    }
    const std::unique_ptr<addrinfo, FreeAddresses> list(found);
    for (addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
      // All addresses of a name share the port.
      if (port == 0 && !listener->sockets_.empty()) SetPort(entry->ai_addr, PortOf(listener->sockets_[0].get()));
      UniqueFd fd = ListenOn(entry->ai_addr, entry->ai_addrlen, false);
      if (!fd.ok()) error = errno;
      // One half of a name alone would leave the other to whoever has it.
      if (!fd.ok() && error == EADDRINUSE) return absl::UnavailableError(std::strerror(error));
      if (fd.ok()) listener->sockets_.push_back(std::move(fd));
    }
  }
  if (listener->sockets_.empty()) return absl::UnavailableError(std::strerror(error));
  listener->address_ = {asked->host, PortOf(listener->sockets_[0].get())};
  listener->reserve_ = OpenReserve();
  return listener;
}

Listener::Outcome Listener::Accept(UniqueFd* connection) {
  for (const UniqueFd& socket : sockets_) {
    const int fd = AcceptOne(socket.get());
    if (fd >= 0) {
      *connection = UniqueFd(fd);
      return Outcome::kAccepted;
    }
    if (IsShortage(errno)) return Refuse(socket.get());
  }
  return Outcome::kNone;
}

Listener::Outcome Listener::Refuse(int socket) {
  reserve_.reset();
  UniqueFd fd(AcceptOne(socket));
  const bool refused = fd.ok();
  fd.reset();
  reserve_ = OpenReserve();
  return refused ? Outcome::kRefused : Outcome::kStarved;
}

}  // namespace reelsight
