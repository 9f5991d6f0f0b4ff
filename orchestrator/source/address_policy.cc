// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/address_policy.h"

#include <netinet/in.h>

#include <cstdint>
#include <cstring>

namespace reelsight::orchestrator {
namespace {

struct Range4 {
  uint32_t network;
  int prefix_bits;
};

constexpr Range4 kSpecial4[] = {
    {0x00000000, 8},   // this network
    {0x0A000000, 8},   // private
    {0x64400000, 10},  // carrier-grade NAT
    {0x7F000000, 8},   // loopback
    {0xA9FE0000, 16},  // link-local, metadata services
    {0xAC100000, 12},  // private
    {0xC0000000, 24},  // protocol assignments
    {0xC0000200, 24},  // documentation
    {0xC0586300, 24},  // 6to4 relays
    {0xC0A80000, 16},  // private
    {0xC6120000, 15},  // benchmarks
    {0xC6336400, 24},  // documentation
    {0xCB007100, 24},  // documentation
    {0xE0000000, 4},   // multicast
    {0xF0000000, 4},   // reserved, broadcast
};

bool IsPublic4(uint32_t address) {
  for (const Range4& range : kSpecial4) {
    if ((address ^ range.network) >> (32 - range.prefix_bits) == 0) return false;
  }
  return true;
}

uint32_t Word(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

bool IsPublic6(const uint8_t* bytes) {
  constexpr uint8_t kNat64[12] = {0x00, 0x64, 0xFF, 0x9B};
  if (std::memcmp(bytes, kNat64, sizeof(kNat64)) == 0) return IsPublic4(Word(bytes + 12));
  // Only 2000::/3 is handed out: this leaves out ::, ::1, IPv4-mapped, unique local, link-local and multicast
  // addresses.
  if ((bytes[0] & 0xE0) != 0x20) return false;
  const uint32_t first = Word(bytes);
  if (first >> 16 == 0x2002) return IsPublic4(Word(bytes + 2));  // 6to4
  if (first >> 9 == 0x20010000 >> 9) return false;               // protocol assignments, with Teredo
  if (first == 0x20010DB8) return false;                         // documentation
  if (first >> 12 == 0x3FFF0000 >> 12) return false;             // documentation
  return true;
}

}  // namespace

bool IsPublicAddress(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in inet;
    std::memcpy(&inet, address, sizeof(inet));
    return IsPublic4(ntohl(inet.sin_addr.s_addr));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 inet;
    std::memcpy(&inet, address, sizeof(inet));
    const uint8_t* bytes = inet.sin6_addr.s6_addr;
    constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (std::memcmp(bytes, kMapped, sizeof(kMapped)) == 0) return IsPublic4(Word(bytes + 12));
    return IsPublic6(bytes);
  }
  return false;
}

}  // namespace reelsight::orchestrator
