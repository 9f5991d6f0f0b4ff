// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/http_transfer.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "orchestrator/source/address_policy.h"

namespace reelsight::orchestrator {
namespace {

constexpr long kStallBytesPerSecond = 100;

// `bytes 0-99/1000` or `bytes */1000`.
void ParseContentRange(absl::string_view value, HttpResponseHead& head) {
  if (!absl::ConsumePrefix(&value, "bytes ")) return;
  const size_t slash = value.find('/');
  if (slash == absl::string_view::npos) return;
  const size_t dash = value.substr(0, slash).find('-');
  if (dash != absl::string_view::npos && !absl::SimpleAtoi(value.substr(0, dash), &head.range_start)) {
    head.range_start = -1;
  }
  if (!absl::SimpleAtoi(value.substr(slash + 1), &head.range_total)) head.range_total = -1;
}

void ParseHeaderLine(absl::string_view line, HttpResponseHead& head) {
  line = absl::StripTrailingAsciiWhitespace(line);
  if (absl::StartsWith(line, "HTTP/")) {
    // Also after an interim response.
    head = HttpResponseHead();
    const size_t space = line.find(' ');
    if (space == absl::string_view::npos || !absl::SimpleAtoi(line.substr(space + 1, 3), &head.status)) head.status = 0;
    return;
  }
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos) return;
  const std::string name = absl::AsciiStrToLower(line.substr(0, colon));
  const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
  if (name == "content-type") {
    head.content_type = absl::AsciiStrToLower(value);
  } else if (name == "content-encoding") {
    head.content_encoding = absl::AsciiStrToLower(value);
  } else if (name == "etag") {
    head.etag = std::string(value);
  } else if (name == "last-modified") {
    head.last_modified = std::string(value);
  } else if (name == "location") {
    head.location = std::string(value);
  } else if (name == "content-length") {
    if (!absl::SimpleAtoi(value, &head.content_length) || head.content_length < 0) head.content_length = -1;
  } else if (name == "content-range") {
    ParseContentRange(value, head);
  }
}

}  // namespace

struct HttpTransfer::Impl {
  Options options;
  CURLM* multi = nullptr;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  Receiver* receiver = nullptr;
  HttpResponseHead head;
  bool active = false;
  bool paused = false;
  bool stopped = false;
  int refused_addresses = 0;
  Outcome outcome = Outcome::kBroken;
  CURLcode code = CURLE_OK;
  char error[CURL_ERROR_SIZE] = {};

  static size_t OnHeader(char* data, size_t, size_t size, void* self) {
    ParseHeaderLine({data, size}, static_cast<Impl*>(self)->head);
    return size;
  }
  static size_t OnBody(char* data, size_t, size_t size, void* self_pointer) {
    auto* self = static_cast<Impl*>(self_pointer);
    switch (self->receiver->OnBody(self->head, {data, size})) {
      case Verdict::kTake:
        return size;
      case Verdict::kPause:
        self->paused = true;
        return CURL_WRITEFUNC_PAUSE;
      case Verdict::kStop:
        self->stopped = true;
        return size + 1;
    }
    return size;
  }
  // Sees the very address that is connected to, after all name resolution: so no name can be answered twice
  // differently.
  static curl_socket_t OnOpenSocket(void* self_pointer, curlsocktype purpose, curl_sockaddr* address) {
    auto* self = static_cast<Impl*>(self_pointer);
    if (purpose != CURLSOCKTYPE_IPCXN || (!self->options.allow_private_addresses && !IsPublicAddress(&address->addr))) {
      ++self->refused_addresses;
      return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }

  void Configure(const HttpRequest& request) {
    curl_easy_reset(easy);
    error[0] = 0;
    curl_slist_free_all(headers);
    headers = nullptr;
    for (const std::string& line : request.headers) headers = curl_slist_append(headers, line.c_str());
    // Offsets are of the file itself.
    headers = curl_slist_append(headers, "Accept-Encoding: identity");
    const auto set = [this](CURLoption option, auto value) { curl_easy_setopt(easy, option, value); };
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PATH_AS_IS, request.path_as_is ? 1L : 0L);
    // Proxies would hide the address from the check.
    set(CURLOPT_PROXY, "");
    if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
    set(CURLOPT_NOSIGNAL, 1L);
    // A drop does not wait for a name server.
    set(CURLOPT_QUICK_EXIT, 1L);
    set(CURLOPT_USERAGENT, "reelsight");
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(options.connect_timeout)));
    set(CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond);
    set(CURLOPT_LOW_SPEED_TIME, std::max<long>(1, static_cast<long>(absl::ToInt64Seconds(options.stall_timeout))));
    set(CURLOPT_BUFFERSIZE, 128L << 10);
    set(CURLOPT_ERRORBUFFER, error);
    set(CURLOPT_HEADERFUNCTION, &Impl::OnHeader);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Impl::OnBody);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_OPENSOCKETFUNCTION, &Impl::OnOpenSocket);
    set(CURLOPT_OPENSOCKETDATA, this);
    if (request.range_start >= 0) set(CURLOPT_RANGE, absl::StrCat(request.range_start, "-").c_str());
    if (!request.aws_sigv4.empty()) {
      set(CURLOPT_AWS_SIGV4, request.aws_sigv4.c_str());
      set(CURLOPT_USERNAME, request.access_key.c_str());
      set(CURLOPT_PASSWORD, request.secret_key.c_str());
    }
  }

  Outcome OutcomeOf(CURLcode result) const {
    if (stopped) return Outcome::kStopped;
    switch (result) {
      case CURLE_OK:
        return Outcome::kComplete;
      case CURLE_URL_MALFORMAT:
        return Outcome::kBadUrl;
      case CURLE_COULDNT_RESOLVE_HOST:
        return Outcome::kUnknownHost;
      case CURLE_PEER_FAILED_VERIFICATION:
      case CURLE_SSL_CONNECT_ERROR:
      case CURLE_SSL_CACERT_BADFILE:
      case CURLE_SSL_CERTPROBLEM:
        return Outcome::kInsecure;
      default:
        // Where one of several addresses was allowed, it was tried.
        return result == CURLE_COULDNT_CONNECT && refused_addresses > 0 ? Outcome::kAddressRefused : Outcome::kBroken;
    }
  }

  void CollectResult() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE || message->easy_handle != easy) continue;
      code = message->data.result;
      outcome = OutcomeOf(code);
      curl_multi_remove_handle(multi, easy);
      active = paused = false;
      return;
    }
  }
};

HttpTransfer::HttpTransfer(Options options) : impl_(std::make_unique<Impl>()) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  impl_->options = std::move(options);
  impl_->multi = curl_multi_init();
  impl_->easy = curl_easy_init();
}

HttpTransfer::~HttpTransfer() {
  Stop();
  curl_easy_cleanup(impl_->easy);
  curl_multi_cleanup(impl_->multi);
  curl_slist_free_all(impl_->headers);
}

void HttpTransfer::Start(const HttpRequest& request, Receiver* receiver) {
  Stop();
  impl_->Configure(request);
  impl_->receiver = receiver;
  impl_->head = HttpResponseHead();
  impl_->stopped = false;
  impl_->refused_addresses = 0;
  impl_->active = true;
  curl_multi_add_handle(impl_->multi, impl_->easy);
}

void HttpTransfer::Stop() {
  if (!impl_->active) return;
  curl_multi_remove_handle(impl_->multi, impl_->easy);
  impl_->active = impl_->paused = false;
}

void HttpTransfer::Poll(absl::Duration timeout) {
  int running = 0;
  if (impl_->active) {
    curl_multi_perform(impl_->multi, &running);
    impl_->CollectResult();
    if (!impl_->active) return;
  }
  curl_multi_poll(impl_->multi, nullptr, 0,
                  static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1)))), nullptr);
  if (impl_->active) {
    curl_multi_perform(impl_->multi, &running);
    impl_->CollectResult();
  }
}

void HttpTransfer::Resume() {
  if (!impl_->active || !impl_->paused) return;
  impl_->paused = false;
  // May call the receiver, and so pause again.
  curl_easy_pause(impl_->easy, CURLPAUSE_CONT);
}

void HttpTransfer::Wake() { curl_multi_wakeup(impl_->multi); }

bool HttpTransfer::active() const { return impl_->active; }
bool HttpTransfer::paused() const { return impl_->paused; }
HttpTransfer::Outcome HttpTransfer::outcome() const { return impl_->outcome; }
const HttpResponseHead& HttpTransfer::head() const { return impl_->head; }

std::string HttpTransfer::error() const {
  // libcurl's own text for a failed check of the address says only that it could not connect.
  return impl_->error[0] != 0 ? impl_->error : curl_easy_strerror(impl_->code);
}

}  // namespace reelsight::orchestrator
