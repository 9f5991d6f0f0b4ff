// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/status/status.h"

namespace reelsight::orchestrator {

// Where the requests for a file go: from its URL along redirects, which lead to http and https only, and not far. Used
// under the lock of its owner.
class RedirectChain {
 public:
  struct Options {
    // Redirects in a row, >= 0.
    int max_redirects = 5;
    // Those from https to http are followed.
    bool allow_insecure = false;
  };

  // `name` is for messages.
  RedirectChain(std::string url, std::string name, Options options);

  // The last redirect's target.
  const std::string& url() const { return url_; }
  // Follows a redirect; `location` may be relative to url(). INVALID_ARGUMENT for one too many and for a malformed
  // address, PERMISSION_DENIED, SOURCE_FORBIDDEN, for one that may not be followed.
  absl::Status Follow(const std::string& location);
  // The target answered: redirects count from here.
  void Arrived() { redirects_ = 0; }
  // Back to the first URL; false if no redirect was followed.
  bool StartAgain();

 private:
  const Options options_;
  const std::string first_url_;
  const std::string name_;
  std::string url_;
  int redirects_ = 0;
};

}  // namespace reelsight::orchestrator
