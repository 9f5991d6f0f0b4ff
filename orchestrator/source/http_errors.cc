// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/http_errors.h"

#include "absl/strings/str_cat.h"
#include "orchestrator/source/redact_uri.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

absl::Status HttpErrors::Unreachable(std::string_view what) const {
  return MakeError(absl::StatusCode::kUnavailable, Reason::kSourceUnreachable, absl::StrCat(ToAbsl(what), ": ", name_));
}

absl::Status HttpErrors::TooSlow(const RateFloor::Options& floor) const {
  return MakeError(absl::StatusCode::kDeadlineExceeded, Reason::kSourceTooSlow,
                   absl::StrCat("the server sends less than ", floor.min_bytes_per_second, " bytes a second over ",
                                absl::FormatDuration(floor.window), " (sources.min_bytes_per_second): ", name_));
}

absl::Status HttpErrors::TookTooLong(absl::Duration fetch_timeout) const {
  return MakeError(absl::StatusCode::kDeadlineExceeded, Reason::kSourceUnreachable,
                   absl::StrCat("fetching took longer than ", absl::FormatDuration(fetch_timeout), ": ", name_));
}

absl::Status HttpErrors::TooLarge(int64_t bytes, std::string_view prefix, int64_t max_bytes) const {
  return MakeError(
      absl::StatusCode::kFailedPrecondition, Reason::kSourceTooLarge,
      absl::StrCat("the file has ", ToAbsl(prefix), bytes, " bytes, over the limit of ", max_bytes, ": ", name_));
}

absl::Status HttpErrors::Empty() const {
  return InvalidArgument(Reason::kSourceEmpty, absl::StrCat("the file is empty: ", name_));
}

absl::Status HttpErrors::WebPage() const {
  return InvalidArgument(Reason::kSourceIsWebPage,
                         absl::StrCat("a web page, not a video; give the address of the video file itself: ", name_));
}

absl::Status HttpErrors::Compressed(std::string_view encoding) const {
  return InvalidArgument(
      Reason::kSourceNotVideo,
      absl::StrCat("the server sends the file compressed (Content-Encoding ", ToAbsl(encoding), "): ", name_));
}

absl::Status HttpErrors::BadStatus(int status) const {
  const std::string what = absl::StrCat("the server answered ", status, ": ", name_);
  if (status == 404 || status == 410) {
    return MakeError(absl::StatusCode::kNotFound, Reason::kSourceNotFound, what);
  }
  if (status == 401 || status == 402 || status == 403 || status == 407 || status == 451) {
    return MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden, what);
  }
  if (status >= 500) return MakeError(absl::StatusCode::kUnavailable, Reason::kSourceUnreachable, what);
  return InvalidArgument(Reason::kSourceUnreachable, what);
}

absl::Status HttpErrors::NoResponse(HttpTransfer::Outcome outcome, std::string_view why, const std::string& url) const {
  switch (outcome) {
    case HttpTransfer::Outcome::kBadUrl:
      return InvalidField("uri", absl::StrCat("not a valid URL (", ToAbsl(why), ")"));
    case HttpTransfer::Outcome::kAddressRefused:
      return MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                       absl::StrCat("the host's address is not a public one, and this server connects to no other "
                                    "(sources.allow_private_addresses): ",
                                    RedactUri(url)));
    case HttpTransfer::Outcome::kInsecure:
      return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kSourceUnreachable,
                       absl::StrCat("no secure connection (", ToAbsl(why), "): ", RedactUri(url)));
    case HttpTransfer::Outcome::kUnknownHost:
      return MakeError(absl::StatusCode::kNotFound, Reason::kSourceNotFound,
                       absl::StrCat("the host's name cannot be resolved: ", RedactUri(url)));
    default:
      return Unreachable(why);
  }
}

}  // namespace reelsight::orchestrator
