// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace reelsight {

struct HostPort {
  // A name, an IPv4 address, or an IPv6 address without brackets.
  std::string host;
  // In [0, 65535].
  int port = 0;
};

// Reads `host:port`, an IPv6 address in brackets; none if `address` has another form. Does not look names up.
std::optional<HostPort> ParseHostPort(std::string_view address);

// `host:port` as ParseHostPort reads it.
std::string ToString(const HostPort& address);

}  // namespace reelsight
