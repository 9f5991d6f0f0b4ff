// SPDX-License-Identifier: Apache-2.0
//
// Which network addresses a caller may make the server connect to. Looks at addresses, never at names: a name says
// nothing about where a connection goes.
#pragma once

#include <sys/socket.h>

namespace reelsight::orchestrator {

// True if `address` is one of the public internet. False for loopback, private, link-local (with the metadata services
// of clouds), carrier-grade NAT, multicast, documentation and reserved ranges, for what embeds such an IPv4 address in
// an IPv6 one, and for what is no IP address. Ranges: IANA's special-purpose registries (RFC 6890).
bool IsPublicAddress(const sockaddr* address);

}  // namespace reelsight::orchestrator
