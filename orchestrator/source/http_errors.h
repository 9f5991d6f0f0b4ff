// SPDX-License-Identifier: Apache-2.0
//
// What HttpSource says when a fetch fails: code, reason and message. Which failures are worth another try is not its
// business.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "orchestrator/source/http_transfer.h"
#include "orchestrator/source/rate_floor.h"

namespace reelsight::orchestrator {

// Immutable, so thread-safe.
class HttpErrors {
 public:
  // `name` stands for the source in messages.
  explicit HttpErrors(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }

  absl::Status Unreachable(std::string_view what) const;
  absl::Status Changed() const { return Unreachable("the file changed while it was fetched; try again"); }
  absl::Status TooSlow(const RateFloor::Options& floor) const;
  absl::Status TookTooLong(absl::Duration fetch_timeout) const;
  // `prefix` as in "more than ".
  absl::Status TooLarge(int64_t bytes, std::string_view prefix, int64_t max_bytes) const;
  absl::Status Empty() const;
  absl::Status WebPage() const;
  absl::Status Compressed(std::string_view encoding) const;
  // A response that is neither success nor a redirect.
  absl::Status BadStatus(int status) const;
  // A transfer that brought no response; `why` is its error. REQUIRES: `outcome` is kBadUrl, kUnknownHost,
  // kAddressRefused or kInsecure.
  absl::Status NoResponse(HttpTransfer::Outcome outcome, std::string_view why, const std::string& url) const;

 private:
  const std::string name_;
};

}  // namespace reelsight::orchestrator
