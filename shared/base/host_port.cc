// SPDX-License-Identifier: Apache-2.0
#include "shared/base/host_port.h"

#include <cstddef>

#include "absl/strings/str_cat.h"

namespace reelsight {
namespace {

constexpr int kMaxPort = 65535;
constexpr size_t kMaxPortDigits = 5;

// -1 if it is none.
int ParsePort(std::string_view digits) {
  if (digits.empty() || digits.size() > kMaxPortDigits) return -1;
  int port = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return -1;
    port = 10 * port + (digit - '0');
  }
  return port <= kMaxPort ? port : -1;
}

}  // namespace

std::optional<HostPort> ParseHostPort(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = address.substr(0, colon);
  const int port = ParsePort(address.substr(colon + 1));
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || port < 0 || host.find_first_of(bracketed ? "/[]" : "/[]:") != std::string_view::npos) {
    return std::nullopt;
  }
  return HostPort{std::string(host), port};
}

std::string ToString(const HostPort& address) {
  const bool bracketed = address.host.find(':') != std::string::npos;
  return absl::StrCat(bracketed ? "[" : "", address.host, bracketed ? "]:" : ":", address.port);
}

}  // namespace reelsight
