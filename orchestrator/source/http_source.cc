// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/http_source.h"

#include <curl/curl.h>
#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/source/block_cache.h"
#include "orchestrator/source/redact_uri.h"
#include "orchestrator/source/source_uri.h"
#include "orchestrator/source/spool_file.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"
#include "shared/base/unique_fd.h"

namespace reelsight::orchestrator {
namespace {

// A seek that is no longer than this is made by reading on.
constexpr int64_t kSkipBytes = 256 << 10;
// Bytes that are looked at to tell a web page, and kept of an error's body.
constexpr size_t kSniffBytes = 512;
constexpr size_t kErrorBodyBytes = 4096;
constexpr absl::Duration kIdlePoll = absl::Seconds(1);

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

bool IsSuccess(int status) { return status == 200 || status == 206; }
bool IsRedirect(int status) {
  return status >= 301 && status <= 308 && status != 304 && status != 305 && status != 306;
}
bool IsRetryable(int status) {
  return status == 408 || status == 425 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

// No media file is without a byte that no text holds.
bool IsText(std::string_view bytes) {
  return std::none_of(bytes.begin(), bytes.end(), [](unsigned char c) {
    return c < 0x20 && std::string_view("\t\n\f\r\x1B").find(static_cast<char>(c)) == std::string_view::npos;
  });
}

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

// Note [Threads of an HttpSource]
// The fetcher thread owns the transfer; readers copy from the cache, or tell where they wait and wake the fetcher. All
// that they share is under mutex_, which is never held while libcurl runs, since libcurl calls OnBody, which takes it.
class FetchingSource final : public HttpSource, private HttpTransfer::Receiver {
 public:
  FetchingSource(const std::string& url, std::string name, Options options)
      : options_(std::move(options)),
        original_url_(url),
        name_(std::move(name)),
        read_ahead_bytes_(std::max<int64_t>(options_.cache_bytes / 4, BlockCache::kBlockBytes)),
        transfer_(options_.transfer),
        url_(url),
        cache_(options_.cache_bytes),
        floor_(options_.sender) {
    thread_ = std::thread([this] { Fetch(); });
  }
  ~FetchingSource() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    transfer_.Wake();
    thread_.join();
  }

  absl::Status WaitUntilOpen(const CancelToken& cancel) {
    return WaitFor(0, cancel, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return opened_; });
  }

  absl::StatusOr<size_t> ReadAt(int64_t offset, std::span<uint8_t> into, const CancelToken& cancel) override {
    RETURN_IF_ERROR(cancel.status());
    if (offset < 0 || into.empty()) return 0;
    size_t count = 0;
    bool at_end = false;
    const auto ready = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      at_end = size_bytes_ >= 0 && offset >= size_bytes_;
      return at_end || (count = CopyLocked(offset, into)) > 0;
    };
    {
      MutexLock lock(mutex_);
      if (ready()) {
        reader_offset_ = offset + static_cast<int64_t>(count);
        if (resume_below_ >= 0 && reader_offset_ >= resume_below_) transfer_.Wake();
        return count;
      }
    }
    RETURN_IF_ERROR(WaitFor(offset, cancel, ready));
    return count;
  }
  int64_t size_bytes() const override {
    MutexLock lock(mutex_);
    return size_bytes_;
  }
  int64_t read_bytes() const override {
    MutexLock lock(mutex_);
    return read_bytes_;
  }
  const std::string& name() const override { return name_; }
  int64_t CachedBytesForTest() const override {
    MutexLock lock(mutex_);
    return cache_.size_bytes();
  }

 private:
  using Clock = std::chrono::steady_clock;

  // Waits for the byte at `offset`, until `ready`, called under the lock, is true.
  template <typename Ready>
  absl::Status WaitFor(int64_t offset, const CancelToken& cancel, const Ready& ready) {
    // The token itself is not asked under the lock: finding out that its deadline has passed, it would run callbacks,
    // and ours takes the lock.
    std::atomic<bool> cancelled = false;
    CancelToken::Callback on_cancel(cancel, [this, &cancelled] {
      cancelled = true;
      MutexLock lock(mutex_);
      changed_.NotifyAll();
    });
    const Clock::time_point start = Clock::now();
    absl::Status status;
    {
      MutexLock lock(mutex_);
      const Clock::time_point budget_end = start + absl::ToChronoNanoseconds(options_.fetch_timeout - waited_);
      reader_offset_ = offset;
      waiting_ = true;
      transfer_.Wake();
      while (!ready() && error_.ok() && !cancelled) {
        const Clock::time_point until = std::min(budget_end, cancel.deadline());
        const Clock::time_point from = Clock::now();
        if (from >= until) break;
        changed_.WaitUntil(mutex_, std::min(until, from + absl::ToChronoNanoseconds(floor_.left())));
        // A server that was never heard of is unreachable, not slow.
        if (read_bytes_ > 0 && !floor_.Waited(absl::FromChrono(Clock::now() - from))) Fail(TooSlow());
      }
      waiting_ = false;
      waited_ += absl::FromChrono(Clock::now() - start);
      if (ready()) return absl::OkStatus();
      status = error_;
    }
    if (!status.ok()) return status;
    RETURN_IF_ERROR(cancel.status());
    return MakeError(
        absl::StatusCode::kDeadlineExceeded, Reason::kSourceUnreachable,
        absl::StrCat("fetching took longer than ", absl::FormatDuration(options_.fetch_timeout), ": ", name_));
  }

  size_t CopyLocked(int64_t offset, std::span<uint8_t> into) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!spool_.ok()) return cache_.Read(offset, into);
    if (offset >= spool_bytes_) return 0;
    const size_t wanted = std::min<size_t>(into.size(), static_cast<size_t>(spool_bytes_ - offset));
    const ssize_t count = pread(spool_.get(), into.data(), wanted, offset);
    if (count <= 0) {
      Fail(MakeError(absl::StatusCode::kInternal, Reason::kInternal, "cannot read the temporary file of a download"));
      return 0;
    }
    return static_cast<size_t>(count);
  }

  void Fail(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (error_.ok()) error_ = std::move(status);
    changed_.NotifyAll();
  }
  absl::Status Unreachable(std::string_view what) const {
    return MakeError(absl::StatusCode::kUnavailable, Reason::kSourceUnreachable,
                     absl::StrCat(ToAbsl(what), ": ", name_));
  }

  // The fetcher thread.
  void Fetch() {
    while (true) {
      bool start = false, stop = false, resume = false;
      absl::Duration poll = kIdlePoll;
      HttpRequest request;
      {
        MutexLock lock(mutex_);
        if (stopping_) return;
        const bool needed = error_.ok() && (!opened_ || (waiting_ && Missing()));
        if (!error_.ok()) {
          stop = transfer_.active();
        } else if (transfer_.active()) {
          stop = PassesReaderBy();
          resume = !stop && transfer_.paused() && reader_offset_ >= resume_below_;
          if (resume || stop) resume_below_ = -1;
        }
        const Clock::time_point now = Clock::now();
        if (needed && (stop || !transfer_.active()) && now < retry_at_) {
          poll = absl::FromChrono(retry_at_ - now);
        } else if (needed && (stop || !transfer_.active())) {
          start = true;
          request = NextRequest();
        }
      }
      if (stop) transfer_.Stop();
      if (start) transfer_.Start(request, this);
      if (resume) transfer_.Resume();
      const bool was_active = transfer_.active();
      transfer_.Poll(poll);
      if (was_active && !transfer_.active()) Ended();
    }
  }

  // The byte that the reader wants is in the file, but not here.
  bool Missing() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (size_bytes_ >= 0 && reader_offset_ >= size_bytes_) return false;
    return spool_.ok() ? reader_offset_ >= spool_bytes_ : !cache_.Has(reader_offset_);
  }

  // A reader waits for a place that the transfer under way does not come to soon.
  bool PassesReaderBy() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return opened_ && waiting_ && !spool_.ok() && Missing() &&
           !(reader_offset_ >= position_ && reader_offset_ < position_ + kSkipBytes &&
             cache_.FetchStart(position_) == position_);
  }

  HttpRequest NextRequest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    // Before it is open, the file is wanted from its start.
    position_ = spool_.ok() ? spool_bytes_ : cache_.FetchStart(opened_ ? reader_offset_ : 0);
    resume_below_ = -1;
    skip_bytes_ = 0;
    head_seen_ = false;
    progress_ = false;
    error_body_.clear();
    HttpRequest request;
    request.url = url_;
    request.path_as_is = options_.path_as_is;
    request.headers = options_.headers;
    if (!no_range_ || position_ > 0) request.range_start = position_;
    if (validated_ && !etag_.empty() && !absl::StartsWith(etag_, "W/")) {
      request.headers.push_back(absl::StrCat(spool_.ok() ? "If-Range: " : "If-Match: ", etag_));
    }
    request.aws_sigv4 = options_.aws_sigv4;
    request.access_key = options_.access_key;
    request.secret_key = options_.secret_key;
    return request;
  }

  HttpTransfer::Verdict OnBody(const HttpResponseHead& head, std::string_view bytes) override {
    MutexLock lock(mutex_);
    if (stopping_ || !error_.ok()) return HttpTransfer::Verdict::kStop;
    if (!IsSuccess(head.status)) {
      error_body_.append(bytes.substr(0, kErrorBodyBytes - error_body_.size()));
      return error_body_.size() < kErrorBodyBytes ? HttpTransfer::Verdict::kTake : HttpTransfer::Verdict::kStop;
    }
    if (!head_seen_) {
      head_seen_ = true;
      AcceptHead(head);
      if (!error_.ok()) return HttpTransfer::Verdict::kStop;
    }
    if (PassesReaderBy()) return HttpTransfer::Verdict::kStop;
    // libcurl offers a piece again after a pause, so a pause comes before anything of it is taken.
    if (opened_ && !spool_.ok() && position_ >= reader_offset_ + read_ahead_bytes_) {
      resume_below_ = position_ - read_ahead_bytes_ / 2;
      return HttpTransfer::Verdict::kPause;
    }
    read_bytes_ += static_cast<int64_t>(bytes.size());
    floor_.Add(static_cast<int64_t>(bytes.size()));
    progress_ = true;
    // A download that begins anew brings nothing before it is past what is there.
    if (static_cast<int64_t>(bytes.size()) > skip_bytes_) failures_ = 0;
    if (!opened_ && skip_bytes_ == 0 && position_ == static_cast<int64_t>(sniffed_.size())) {
      sniffed_.append(bytes.substr(0, kSniffBytes - std::min(kSniffBytes, sniffed_.size())));
    }
    const bool taken = spool_.ok() ? Spool(bytes) : Cache(bytes);
    if (error_.ok() && !opened_ && position_ >= static_cast<int64_t>(kSniffBytes)) FinishOpening();
    changed_.NotifyAll();
    return taken && error_.ok() ? HttpTransfer::Verdict::kTake : HttpTransfer::Verdict::kStop;
  }

  // False ends the transfer: the rest is there already.
  bool Cache(std::string_view bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (!bytes.empty()) {
      const size_t count = cache_.Write(position_, bytes);
      if (count == 0) return false;
      position_ += static_cast<int64_t>(count);
      bytes.remove_prefix(count);
    }
    return true;
  }

  bool Spool(std::string_view bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const size_t skipped = std::min<size_t>(bytes.size(), static_cast<size_t>(skip_bytes_));
    skip_bytes_ -= static_cast<int64_t>(skipped);
    bytes.remove_prefix(skipped);
    if (spool_bytes_ + static_cast<int64_t>(bytes.size()) > options_.max_bytes) {
      Fail(TooLarge(spool_bytes_ + static_cast<int64_t>(bytes.size()), "more than "));
      return false;
    }
    while (!bytes.empty()) {
      const ssize_t count = pwrite(spool_.get(), bytes.data(), bytes.size(), spool_bytes_);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        Fail(MakeError(absl::StatusCode::kResourceExhausted, Reason::kServerBusy,
                       "the server's disk has no room for a download; try again later"));
        return false;
      }
      spool_bytes_ += count;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    position_ = spool_bytes_;
    return true;
  }

  absl::Status TooLarge(int64_t bytes, absl::string_view prefix) const {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, Reason::kSourceTooLarge,
        absl::StrCat("the file has ", prefix, bytes, " bytes, over the limit of ", options_.max_bytes, ": ", name_));
  }

  absl::Status TooSlow() const {
    return MakeError(
        absl::StatusCode::kDeadlineExceeded, Reason::kSourceTooSlow,
        absl::StrCat("the server sends less than ", options_.sender.min_bytes_per_second, " bytes a second over ",
                     absl::FormatDuration(options_.sender.window), " (sources.min_bytes_per_second): ", name_));
  }

  // The head of a successful response: the first decides how the file is fetched, later ones must be of the same file.
  void AcceptHead(const HttpResponseHead& head) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const bool ranged = head.status == 206 && head.range_start >= 0;
    const int64_t total = ranged ? head.range_total : head.status == 200 ? head.content_length : -1;
    if (validated_) {
      const bool same =
          (etag_.empty() || head.etag.empty() || etag_ == head.etag) &&
          (last_modified_.empty() || head.last_modified.empty() || last_modified_ == head.last_modified) &&
          (size_bytes_ < 0 || total < 0 || size_bytes_ == total);
      if (!same) return Fail(Unreachable("the file changed while it was fetched; try again"));
      if (ranged && head.range_start == position_) return;
      if (head.status == 200 && spool_.ok()) {
        // From the start again.
        skip_bytes_ = spool_bytes_;
        return;
      }
      return Fail(Unreachable("the server answered a range request with another part of the file"));
    }
    if (head.status == 206 && head.range_start != 0) {
      return Fail(Unreachable("the server answered a range request with another part of the file"));
    }
    html_ =
        absl::StartsWith(head.content_type, "text/html") || absl::StartsWith(head.content_type, "application/xhtml");
    if (!head.content_encoding.empty() && head.content_encoding != "identity") {
      if (html_) return Fail(IsWebPage());
      return Fail(InvalidArgument(Reason::kSourceNotVideo,
                                  absl::StrCat("the server sends the file compressed (Content-Encoding ",
                                               head.content_encoding, "): ", name_)));
    }
    if (total > options_.max_bytes) return Fail(TooLarge(total, ""));
    validated_ = true;
    etag_ = head.etag;
    last_modified_ = head.last_modified;
    size_bytes_ = total;
    if (!ranged || total < 0) {
      absl::StatusOr<UniqueFd> spool = MakeSpoolFile();
      if (!spool.ok()) return Fail(spool.status());
      spool_ = *std::move(spool);
    }
  }

  absl::Status IsWebPage() const {
    return InvalidArgument(Reason::kSourceIsWebPage,
                           absl::StrCat("a web page, not a video; give the address of the video file itself: ", name_));
  }

  void FinishOpening() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (LooksLikeWebPage(sniffed_) || (html_ && IsText(sniffed_))) return Fail(IsWebPage());
    opened_ = true;
    redirects_ = 0;
    sniffed_.clear();
    changed_.NotifyAll();
  }

  // The transfer has ended by itself.
  void Ended() {
    const HttpResponseHead& head = transfer_.head();
    MutexLock lock(mutex_);
    if (stopping_ || !error_.ok()) return;
    switch (transfer_.outcome()) {
      case HttpTransfer::Outcome::kStopped:
        if (IsSuccess(head.status)) return;
        return BadStatus(head);
      case HttpTransfer::Outcome::kComplete:
        return IsSuccess(head.status) ? Complete(head) : BadStatus(head);
      case HttpTransfer::Outcome::kBadUrl:
        return Fail(InvalidField("uri", absl::StrCat("not a valid URL (", transfer_.error(), ")")));
      case HttpTransfer::Outcome::kAddressRefused:
        return Fail(
            MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                      absl::StrCat("the host's address is not a public one, and this server connects to no other "
                                   "(sources.allow_private_addresses): ",
                                   RedactUri(url_))));
      case HttpTransfer::Outcome::kInsecure:
        return Fail(MakeError(absl::StatusCode::kFailedPrecondition, Reason::kSourceUnreachable,
                              absl::StrCat("no secure connection (", transfer_.error(), "): ", RedactUri(url_))));
      case HttpTransfer::Outcome::kUnknownHost:
        if (failures_ > 0 || options_.max_retries == 0) {
          return Fail(MakeError(absl::StatusCode::kNotFound, Reason::kSourceNotFound,
                                absl::StrCat("the host's name cannot be resolved: ", RedactUri(url_))));
        }
        return Retry(transfer_.error());
      case HttpTransfer::Outcome::kBroken:
        return Retry(transfer_.error());
    }
  }

  void Complete(const HttpResponseHead& head) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!head_seen_) {
      // A response without a body.
      head_seen_ = true;
      AcceptHead(head);
      if (!error_.ok()) return;
    }
    if (spool_.ok() && size_bytes_ < 0) size_bytes_ = spool_bytes_;
    if (spool_.ok() && spool_bytes_ < size_bytes_) return Retry("the connection ended early");
    if (size_bytes_ == 0)
      return Fail(InvalidArgument(Reason::kSourceEmpty, absl::StrCat("the file is empty: ", name_)));
    if (!spool_.ok() && !progress_) return Retry("the server sent nothing");
    if (!opened_ && (spool_.ok() || position_ >= size_bytes_)) FinishOpening();
    changed_.NotifyAll();
  }

  void Retry(std::string_view why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    // Nobody waits: whoever reads next starts anew.
    if (opened_ && !waiting_) return;
    if (failures_ >= options_.max_retries) {
      return Fail(Unreachable(absl::StrCat("cannot fetch (", ToAbsl(why), "; tried ", failures_ + 1, " times)")));
    }
    retry_at_ =
        Clock::now() + absl::ToChronoNanoseconds(std::min(options_.retry_backoff * (1 << std::min(failures_, 10)),
                                                          absl::Duration(absl::Seconds(5))));
    ++failures_;
  }

  void BadStatus(const HttpResponseHead& head) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const int status = head.status;
    if (IsRedirect(status) && options_.aws_sigv4.empty() && !head.location.empty()) return Redirect(head.location);
    if (IsRetryable(status)) return Retry(absl::StrCat("the server answered ", status));
    if (status == 416 && !validated_ && !no_range_) {
      // Of an empty file, or a server that has it without ranges.
      no_range_ = true;
      return;
    }
    if ((status == 412 || status == 416) && validated_) {
      return Fail(Unreachable("the file changed while it was fetched; try again"));
    }
    if (opened_ && url_ != original_url_) {
      // The target of a redirect need not be valid for long.
      url_ = original_url_;
      redirects_ = 0;
      return Retry(absl::StrCat("the server answered ", status));
    }
    if (options_.explain) {
      absl::Status explained = options_.explain(status, error_body_);
      if (!explained.ok()) return Fail(std::move(explained));
    }
    Fail(ByStatus(status));
  }

  absl::Status ByStatus(int status) const {
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

  void Redirect(const std::string& location) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (++redirects_ > options_.max_redirects) {
      return Fail(InvalidArgument(Reason::kSourceUnreachable,
                                  absl::StrCat("more than ", options_.max_redirects, " redirects: ", name_)));
    }
    const std::string target = ResolveUrl(url_, location);
    if (target.empty()) {
      return Fail(
          InvalidArgument(Reason::kSourceUnreachable, absl::StrCat("redirected to a malformed address: ", name_)));
    }
    if (!absl::StartsWithIgnoreCase(target, "http://") && !absl::StartsWithIgnoreCase(target, "https://")) {
      return Fail(MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                            absl::StrCat("redirected to something that is not http or https: ", name_)));
    }
    if (!options_.allow_insecure_redirects && absl::StartsWithIgnoreCase(url_, "https://") &&
        absl::StartsWithIgnoreCase(target, "http://")) {
      return Fail(MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                            absl::StrCat("redirected from https to http, which this server does not follow "
                                         "(sources.allow_insecure_redirects): ",
                                         name_)));
    }
    // User and password are part of the URL: they stay with a target that is relative to it, and go nowhere else.
    url_ = target;
  }

  const Options options_;
  const std::string original_url_;
  const std::string name_;
  const int64_t read_ahead_bytes_;

  // The fetcher's, but for Wake.
  HttpTransfer transfer_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Sticky.
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  // Where requests go: the last redirect's target.
  std::string url_ ABSL_GUARDED_BY(mutex_);
  int redirects_ ABSL_GUARDED_BY(mutex_) = 0;
  // Failed tries since the last byte.
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;
  Clock::time_point retry_at_ ABSL_GUARDED_BY(mutex_);
  bool no_range_ ABSL_GUARDED_BY(mutex_) = false;

  // The file. Known once validated_; usable once opened_.
  bool validated_ ABSL_GUARDED_BY(mutex_) = false;
  bool opened_ ABSL_GUARDED_BY(mutex_) = false;
  std::string etag_ ABSL_GUARDED_BY(mutex_);
  std::string last_modified_ ABSL_GUARDED_BY(mutex_);
  int64_t size_bytes_ ABSL_GUARDED_BY(mutex_) = -1;
  std::string sniffed_ ABSL_GUARDED_BY(mutex_);
  // The server calls it a web page. Some say so of every file, so that its bytes decide.
  bool html_ ABSL_GUARDED_BY(mutex_) = false;

  // The response under way: where its next byte lies, bytes to pass over, what it said.
  int64_t position_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t skip_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool head_seen_ ABSL_GUARDED_BY(mutex_) = false;
  bool progress_ ABSL_GUARDED_BY(mutex_) = false;
  std::string error_body_ ABSL_GUARDED_BY(mutex_);
  // A paused transfer goes on when the reader has come to here; -1: none is paused.
  int64_t resume_below_ ABSL_GUARDED_BY(mutex_) = -1;

  // What was fetched: in the cache, or, where spool_ is there, in its first spool_bytes_.
  BlockCache cache_ ABSL_GUARDED_BY(mutex_);
  UniqueFd spool_ ABSL_GUARDED_BY(mutex_);
  int64_t spool_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t read_bytes_ ABSL_GUARDED_BY(mutex_) = 0;

  // The reader.
  int64_t reader_offset_ ABSL_GUARDED_BY(mutex_) = 0;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration waited_ ABSL_GUARDED_BY(mutex_);
  RateFloor floor_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpSource>> HttpSource::Open(const std::string& url, std::string name, Options options,
                                                             const CancelToken& cancel) {
  RETURN_IF_ERROR(cancel.status());
  auto source = std::make_unique<FetchingSource>(url, std::move(name), std::move(options));
  RETURN_IF_ERROR(source->WaitUntilOpen(cancel));
  return source;
}

}  // namespace reelsight::orchestrator
