// SPDX-License-Identifier: Apache-2.0
//
// The listening sockets of one TCP address. They survive a shortage of descriptors: a connection for which there is
// none is closed at once, by means of a descriptor kept in reserve, and the next is accepted when there is one again.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/base/host_port.h"
#include "shared/base/unique_fd.h"

namespace reelsight {

// Used by one thread at a time.
class Listener {
 public:
  enum class Outcome {
    kAccepted,
    // No connection waits.
    kNone,
    // One was closed, because the process has no descriptor for it.
    kRefused,
    // One waits, but the reserve is used up by others. It makes sense to pause.
    kStarved,
  };

  // Listens on `host:port`: a name, an IPv4 address or an IPv6 address in brackets; 0.0.0.0 and [::] stand for all
  // addresses of both kinds; port 0 takes a free one. INVALID_ARGUMENT for another form, UNAVAILABLE with the system's
  // reason if it cannot listen there.
  static absl::StatusOr<std::unique_ptr<Listener>> Open(const std::string& address);

  // As asked for, with the port really taken.
  const HostPort& address() const { return address_; }
  int port() const { return address_.port; }
  // To poll for arrivals.
  const std::vector<UniqueFd>& sockets() const { return sockets_; }
  // Closes the port; nothing is accepted any more.
  void Close() { sockets_.clear(); }
  // Does not block. `*connection` is set by kAccepted; it does not block either.
  Outcome Accept(UniqueFd* connection);

 private:
  Listener() = default;
  Outcome Refuse(int socket);

  std::vector<UniqueFd> sockets_;
  HostPort address_;
  UniqueFd reserve_;
};

}  // namespace reelsight
