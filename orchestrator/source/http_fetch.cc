// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/http_fetch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/source/block_cache.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// A seek that is no longer than this is made by reading on.
constexpr int64_t kSkipBytes = 256 << 10;
// Bytes that are looked at to tell a web page, and kept of an error's body.
constexpr size_t kSniffBytes = 512;
constexpr size_t kErrorBodyBytes = 4096;
constexpr absl::Duration kLongestPause = absl::Seconds(5);

bool IsSuccess(int status) { return status == 200 || status == 206; }
bool IsRedirect(int status) {
  return status >= 301 && status <= 308 && status != 304 && status != 305 && status != 306;
}
bool IsRetryable(int status) {
  return status == 408 || status == 425 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

}  // namespace

HttpFetch::HttpFetch(const std::string& url, const HttpSource::Options& options, const HttpErrors& errors)
    : options_(options),
      errors_(errors),
      read_ahead_bytes_(std::max<int64_t>(options.cache_bytes / 4, BlockCache::kBlockBytes)),
      target_(url, errors.name(),
              {.max_redirects = options.max_redirects, .allow_insecure = options.allow_insecure_redirects}),
      file_(errors, options.max_bytes),
      bytes_(options.cache_bytes) {}

void HttpFetch::Fail(absl::Status status) {
  if (error_.ok()) error_ = std::move(status);
}

size_t HttpFetch::Copy(int64_t offset, std::span<uint8_t> into) {
  const absl::StatusOr<size_t> count = bytes_.Read(offset, into);
  if (!count.ok()) Fail(count.status());
  return count.value_or(0);
}

bool HttpFetch::Needs(const Reader& reader) const {
  if (!error_.ok()) return false;
  return !opened_ || (reader.waiting && !IsPastEnd(reader.offset) && !bytes_.Has(reader.offset));
}

bool HttpFetch::PassesBy(const Reader& reader) const {
  return opened_ && !bytes_.spooled() && Needs(reader) &&
         !(reader.offset >= position_ && reader.offset < position_ + kSkipBytes &&
           bytes_.FetchStart(position_) == position_);
}

HttpRequest HttpFetch::NextRequest(const Reader& reader) {
  // Before it is open, the file is wanted from its start.
  position_ = bytes_.FetchStart(opened_ ? reader.offset : 0);
  resume_below_ = -1;
  skip_bytes_ = 0;
  head_seen_ = false;
  progress_ = false;
  error_body_.clear();
  HttpRequest request;
  request.url = target_.url();
  request.path_as_is = options_.path_as_is;
  request.headers = options_.headers;
  if (!no_range_ || position_ > 0) request.range_start = position_;
  if (const std::string& etag = file_.strong_etag(); !etag.empty()) {
    request.headers.push_back(absl::StrCat(bytes_.spooled() ? "If-Range: " : "If-Match: ", etag));
  }
  request.aws_sigv4 = options_.aws_sigv4;
  request.access_key = options_.access_key;
  request.secret_key = options_.secret_key;
  return request;
}

HttpTransfer::Verdict HttpFetch::OnBody(const HttpResponseHead& head, std::string_view bytes, const Reader& reader) {
  if (!error_.ok()) return HttpTransfer::Verdict::kStop;
  if (!IsSuccess(head.status)) {
    error_body_.append(bytes.substr(0, kErrorBodyBytes - error_body_.size()));
    return error_body_.size() < kErrorBodyBytes ? HttpTransfer::Verdict::kTake : HttpTransfer::Verdict::kStop;
  }
  if (!head_seen_) {
    head_seen_ = true;
    AcceptHead(head);
    if (!error_.ok()) return HttpTransfer::Verdict::kStop;
  }
  if (PassesBy(reader)) return HttpTransfer::Verdict::kStop;
  // libcurl offers a piece again after a pause, so a pause comes before anything of it is taken.
  if (opened_ && !bytes_.spooled() && position_ >= reader.offset + read_ahead_bytes_) {
    resume_below_ = position_ - read_ahead_bytes_ / 2;
    return HttpTransfer::Verdict::kPause;
  }
  resume_below_ = -1;
  read_bytes_ += static_cast<int64_t>(bytes.size());
  progress_ = true;
  // A download that begins anew brings nothing before it is past what is there.
  if (static_cast<int64_t>(bytes.size()) > skip_bytes_) failures_ = 0;
  if (!opened_ && skip_bytes_ == 0 && position_ == static_cast<int64_t>(sniffed_.size())) {
    sniffed_.append(bytes.substr(0, kSniffBytes - std::min(kSniffBytes, sniffed_.size())));
  }
  const bool taken = Take(bytes);
  if (error_.ok() && !opened_ && position_ >= static_cast<int64_t>(kSniffBytes)) FinishOpening();
  return taken && error_.ok() ? HttpTransfer::Verdict::kTake : HttpTransfer::Verdict::kStop;
}

// False ends the transfer: it failed, or the rest is there already.
bool HttpFetch::Take(std::string_view bytes) {
  const size_t skipped = std::min<size_t>(bytes.size(), static_cast<size_t>(skip_bytes_));
  skip_bytes_ -= static_cast<int64_t>(skipped);
  bytes.remove_prefix(skipped);
  const int64_t end = position_ + static_cast<int64_t>(bytes.size());
  if (bytes_.spooled() && end > options_.max_bytes) {
    Fail(errors_.TooLarge(end, "more than ", options_.max_bytes));
    return false;
  }
  const absl::StatusOr<size_t> taken = bytes_.Write(position_, bytes);
  if (!taken.ok()) {
    Fail(taken.status());
    return false;
  }
  position_ += static_cast<int64_t>(*taken);
  return *taken == bytes.size();
}

// The head of a successful response: the first decides how the file is fetched, later ones must be of the same file.
void HttpFetch::AcceptHead(const HttpResponseHead& head) {
  const bool first = !file_.known();
  const absl::StatusOr<int64_t> begin = file_.Accept(head, position_, bytes_.spooled());
  if (!begin.ok()) return Fail(begin.status());
  skip_bytes_ = position_ - *begin;
  if (!first || file_.has_ranges()) return;
  if (absl::Status spool = bytes_.UseSpool(); !spool.ok()) Fail(std::move(spool));
}

void HttpFetch::FinishOpening() {
  if (absl::Status start = file_.CheckStart(sniffed_); !start.ok()) return Fail(std::move(start));
  opened_ = true;
  target_.Arrived();
  sniffed_.clear();
}

void HttpFetch::OnEnd(const HttpTransfer& transfer, const Reader& reader) {
  if (!error_.ok()) return;
  const HttpResponseHead& head = transfer.head();
  const auto no_response = [&] { return errors_.NoResponse(transfer.outcome(), transfer.error(), target_.url()); };
  switch (transfer.outcome()) {
    case HttpTransfer::Outcome::kStopped:
      if (IsSuccess(head.status)) return;
      return OnBadStatus(head, reader);
    case HttpTransfer::Outcome::kComplete:
      return IsSuccess(head.status) ? OnComplete(head, reader) : OnBadStatus(head, reader);
    case HttpTransfer::Outcome::kBadUrl:
    case HttpTransfer::Outcome::kAddressRefused:
    case HttpTransfer::Outcome::kInsecure:
      return Fail(no_response());
    case HttpTransfer::Outcome::kUnknownHost:
      if (failures_ > 0 || options_.max_retries == 0) return Fail(no_response());
      return Retry(transfer.error(), reader);
    case HttpTransfer::Outcome::kBroken:
      return Retry(transfer.error(), reader);
  }
}

void HttpFetch::OnComplete(const HttpResponseHead& head, const Reader& reader) {
  if (!head_seen_) {
    // A response without a body.
    head_seen_ = true;
    AcceptHead(head);
    if (!error_.ok()) return;
  }
  if (bytes_.spooled() && size_bytes() < 0) file_.set_size_bytes(bytes_.spool_bytes());
  if (bytes_.spooled() && bytes_.spool_bytes() < size_bytes()) return Retry("the connection ended early", reader);
  if (size_bytes() == 0) return Fail(errors_.Empty());
  if (!bytes_.spooled() && !progress_) return Retry("the server sent nothing", reader);
  if (!opened_ && (bytes_.spooled() || position_ >= size_bytes())) FinishOpening();
}

void HttpFetch::OnBadStatus(const HttpResponseHead& head, const Reader& reader) {
  const int status = head.status;
  if (IsRedirect(status) && options_.aws_sigv4.empty() && !head.location.empty()) {
    if (absl::Status followed = target_.Follow(head.location); !followed.ok()) Fail(std::move(followed));
    return;
  }
  const std::string answered = absl::StrCat("the server answered ", status);
  if (IsRetryable(status)) return Retry(answered, reader);
  if (status == 416 && !file_.known() && !no_range_) {
    // Of an empty file, or a server that has it without ranges.
    no_range_ = true;
    return;
  }
  if ((status == 412 || status == 416) && file_.known()) return Fail(errors_.Changed());
  // The target of a redirect need not be valid for long.
  if (opened_ && target_.StartAgain()) return Retry(answered, reader);
  if (options_.explain) {
    absl::Status explained = options_.explain(status, error_body_);
    if (!explained.ok()) return Fail(std::move(explained));
  }
  Fail(errors_.BadStatus(status));
}

void HttpFetch::Retry(std::string_view why, const Reader& reader) {
  // Nobody waits: whoever reads next starts anew.
  if (opened_ && !reader.waiting) return;
  if (failures_ >= options_.max_retries) {
    return Fail(
        errors_.Unreachable(absl::StrCat("cannot fetch (", std::string(why), "; tried ", failures_ + 1, " times)")));
  }
  const absl::Duration pause = std::min(options_.retry_backoff * (1 << std::min(failures_, 10)), kLongestPause);
  retry_at_ = Clock::now() + absl::ToChronoNanoseconds(pause);
  ++failures_;
}

}  // namespace reelsight::orchestrator
