// SPDX-License-Identifier: Apache-2.0
//
// A video behind http(s). Fetches by ranges, ahead of the reader, and keeps a bounded number of blocks; from a server
// that has no ranges it takes the whole file once, into a temporary file. Knows nothing of S3 but what Options carry.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/source/byte_source.h"
#include "orchestrator/source/http_transfer.h"
#include "orchestrator/source/rate_floor.h"

namespace reelsight::orchestrator {

class HttpSource : public ByteSource {
 public:
  struct Options {
    // Addresses, time for connecting, time without data.
    HttpTransfer::Options transfer;
    // Redirects followed from the first URL to the file, >= 0. Each target is checked as the first URL is.
    int max_redirects = 5;
    // Redirects from https to http are followed.
    bool allow_insecure_redirects = false;
    // Time that readers may spend waiting for the server, in all.
    absl::Duration fetch_timeout = absl::Seconds(300);
    // How fast bytes must come while readers wait, once the first has come.
    RateFloor::Options sender = {.min_bytes_per_second = 4096, .window = absl::Seconds(30)};
    // Tries in a row that may fail without a byte, beyond the first. Raising it delays the error.
    int max_retries = 4;
    // Pause before the first of them; each further one is twice as long.
    absl::Duration retry_backoff = absl::Milliseconds(200);
    // Largest file, in bytes.
    int64_t max_bytes = int64_t{2} << 30;
    // Memory for blocks, >= 2 MiB. A quarter of it is fetched ahead of the reader.
    int64_t cache_bytes = 16 << 20;
    // As in HttpRequest.
    bool path_as_is = false;
    // Sent with each request, `Name: value`.
    std::vector<std::string> headers;
    // Signature of requests, as in HttpRequest; empty: none. A signed request follows no redirect.
    std::string aws_sigv4;
    std::string access_key;
    std::string secret_key;
    // Makes the error of a response that is neither success nor worth another try, of the start of its body; null, or
    // where it returns OK: by the status alone.
    std::function<absl::Status(int status, std::string_view body)> explain;
  };

  // Opens `url` and waits for the first bytes. `name` is for messages. Errors: INVALID_ARGUMENT (malformed,
  // SOURCE_IS_WEB_PAGE, SOURCE_EMPTY, or a request that the server does not take), NOT_FOUND, PERMISSION_DENIED
  // (SOURCE_FORBIDDEN: an address that is refused, a redirect to another scheme, or the server said so),
  // FAILED_PRECONDITION (SOURCE_TOO_LARGE), UNAVAILABLE (SOURCE_UNREACHABLE), DEADLINE_EXCEEDED (SOURCE_TOO_SLOW, or
  // fetch_timeout), the token's status.
  static absl::StatusOr<std::unique_ptr<HttpSource>> Open(const std::string& url, std::string name, Options options,
                                                          const CancelToken& cancel);

  // Bytes in memory; never more than Options::cache_bytes and one block.
  virtual int64_t CachedBytesForTest() const = 0;
};

}  // namespace reelsight::orchestrator
