// SPDX-License-Identifier: Apache-2.0
#include "shared/model_store/http_download.h"

#include <curl/curl.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::model_store {
namespace {

struct Transfer {
  const HttpDownload& download;
  const CancelToken& cancel;
  CURL* curl = nullptr;
  std::FILE* file = nullptr;
  int64_t done_bytes = 0;
  bool checked = false;
  bool too_long = false;
  int write_error = 0;
};

// Starts the file anew where the server sends the whole although the rest was asked for.
void CheckRange(Transfer& transfer) {
  transfer.checked = true;
  long code = 0;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &code);
  if (code != 200 || transfer.done_bytes == 0) return;
  transfer.file = std::freopen(transfer.download.path.c_str(), "wb", transfer.file);
  transfer.done_bytes = 0;
}

size_t OnData(char* data, size_t size, size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  if (!transfer.checked) CheckRange(transfer);
  const size_t bytes = size * count;
  transfer.done_bytes += static_cast<int64_t>(bytes);
  if (transfer.done_bytes > transfer.download.size_bytes) {
    transfer.too_long = true;
    return 0;
  }
  if (transfer.file == nullptr || std::fwrite(data, 1, bytes, transfer.file) != bytes) {
    transfer.write_error = errno;
    return 0;
  }
  return bytes;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const Transfer& transfer = *static_cast<Transfer*>(user);
  if (transfer.download.on_progress) transfer.download.on_progress(transfer.done_bytes);
  return transfer.cancel.cancelled() ? 1 : 0;
}

absl::Status FromCode(long code, const std::string& url) {
  const std::string message = absl::StrCat(url, " answered ", code);
  if (code == 404 || code == 410) return MakeError(absl::StatusCode::kNotFound, Reason::kSourceNotFound, message);
  if (code == 401 || code == 403) {
    return MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                     absl::StrCat(message, "; does it need a token?"));
  }
  return MakeError(absl::StatusCode::kUnavailable, Reason::kSourceUnreachable, message);
}

absl::Status FromTransfer(const Transfer& transfer, CURLcode result, const char* detail) {
  RETURN_IF_ERROR(transfer.cancel.status());
  if (transfer.too_long) {
    std::error_code ignored;
    std::filesystem::remove(transfer.download.path, ignored);
    return MakeError(absl::StatusCode::kDataLoss, Reason::kModelCorrupt,
                     absl::StrCat(transfer.download.url, " is longer than the ", transfer.download.size_bytes,
                                  " bytes of the catalogue"));
  }
  if (transfer.write_error != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot write ", transfer.download.path, ": ",
                                                     std::strerror(transfer.write_error),
                                                     "; free space and try again"));
  }
  long code = 0;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &code);
  if (result == CURLE_HTTP_RETURNED_ERROR) return FromCode(code, transfer.download.url);
  if (result == CURLE_OK) return absl::OkStatus();
  return MakeError(absl::StatusCode::kUnavailable, Reason::kSourceUnreachable,
                   absl::StrCat(transfer.download.url, ": ", *detail != '\0' ? detail : curl_easy_strerror(result),
                                "; what came is kept, try again"));
}

// One request. Sets `*past_the_end` if the server has less than what is there already.
absl::Status DownloadOnce(const HttpDownload& download, const CancelToken& cancel, bool* past_the_end) {
  std::error_code none;
  auto have = static_cast<int64_t>(std::filesystem::file_size(download.path, none));
  if (none || have > download.size_bytes) have = 0;
  if (have == download.size_bytes) return absl::OkStatus();
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  Transfer transfer{.download = download, .cancel = cancel, .curl = curl.get()};
  transfer.file = std::fopen(download.path.c_str(), have > 0 ? "ab" : "wb");
  if (transfer.file == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("cannot write ", download.path, ": ", std::strerror(errno)));
  }
  transfer.done_bytes = have;
  char detail[CURL_ERROR_SIZE] = "";
  const std::string range = absl::StrCat(have, "-");
  curl_easy_setopt(curl.get(), CURLOPT_URL, download.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 20L);
  // Less than a byte a second for a minute is a connection that is dead.
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, 60L);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, detail);
  if (have > 0) curl_easy_setopt(curl.get(), CURLOPT_RANGE, range.c_str());
  if (!download.bearer_token.empty()) {
    // Not sent on to another host by curl.
    curl_easy_setopt(curl.get(), CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl.get(), CURLOPT_XOAUTH2_BEARER, download.bearer_token.c_str());
  }
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, OnData);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &transfer);
  const CURLcode result = curl_easy_perform(curl.get());
  if (transfer.file != nullptr && std::fclose(transfer.file) != 0 && transfer.write_error == 0) {
    transfer.write_error = errno;
  }
  long code = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &code);
  *past_the_end = code == 416 && have > 0;
  return FromTransfer(transfer, result, detail);
}

}  // namespace

absl::Status Download(const HttpDownload& download, const CancelToken& cancel) {
  bool past_the_end = false;
  absl::Status status = DownloadOnce(download, cancel, &past_the_end);
  if (!past_the_end) return status;
  // What is there cannot be the beginning of what the server has.
  std::error_code ignored;
  std::filesystem::remove(download.path, ignored);
  return DownloadOnce(download, cancel, &past_the_end);
}

}  // namespace reelsight::model_store
