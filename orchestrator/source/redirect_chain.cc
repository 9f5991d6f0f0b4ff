// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/redirect_chain.h"

#include <curl/curl.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// `location` as seen from `base`; empty if it is malformed.
std::string ResolveUrl(const std::string& base, const std::string& location) {
  CURLU* url = curl_url();
  char* text = nullptr;
  std::string resolved;
  if (curl_url_set(url, CURLUPART_URL, base.c_str(), 0) == CURLUE_OK &&
      curl_url_set(url, CURLUPART_URL, location.c_str(), CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE) == CURLUE_OK &&
      curl_url_get(url, CURLUPART_URL, &text, 0) == CURLUE_OK) {
    resolved = text;
  }
  curl_free(text);
  curl_url_cleanup(url);
  return resolved;
}

}  // namespace

RedirectChain::RedirectChain(std::string url, std::string name, Options options)
    : options_(options), first_url_(std::move(url)), name_(std::move(name)), url_(first_url_) {}

absl::Status RedirectChain::Follow(const std::string& location) {
  if (++redirects_ > options_.max_redirects) {
    return InvalidArgument(Reason::kSourceUnreachable,
                           absl::StrCat("more than ", options_.max_redirects, " redirects: ", name_));
  }
  const std::string target = ResolveUrl(url_, location);
  if (target.empty()) {
    return InvalidArgument(Reason::kSourceUnreachable, absl::StrCat("redirected to a malformed address: ", name_));
  }
  if (!absl::StartsWithIgnoreCase(target, "http://") && !absl::StartsWithIgnoreCase(target, "https://")) {
    return MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                     absl::StrCat("redirected to something that is not http or https: ", name_));
  }
  if (!options_.allow_insecure && absl::StartsWithIgnoreCase(url_, "https://") &&
      absl::StartsWithIgnoreCase(target, "http://")) {
    return MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                     absl::StrCat("redirected from https to http, which this server does not follow "
                                  "(sources.allow_insecure_redirects): ",
                                  name_));
  }
  // User and password are part of the URL: they stay with a target that is relative to it, and go nowhere else.
  url_ = target;
  return absl::OkStatus();
}

bool RedirectChain::StartAgain() {
  if (url_ == first_url_) return false;
  url_ = first_url_;
  redirects_ = 0;
  return true;
}

}  // namespace reelsight::orchestrator
