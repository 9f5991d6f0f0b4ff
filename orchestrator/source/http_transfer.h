// SPDX-License-Identifier: Apache-2.0
//
// One HTTP GET at a time over libcurl, driven by the caller's thread. Sees to it that connections go only where they
// may. Not a client with retries and redirects: HttpSource decides on those.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace reelsight::orchestrator {

struct HttpRequest {
  // http or https; may hold user and password.
  std::string url;
  // The path goes out as it is; otherwise `.` and `..` in it are resolved first.
  bool path_as_is = false;
  // First byte asked for; the range is open at its end. Negative: no range.
  int64_t range_start = -1;
  // Lines `Name: value`.
  std::vector<std::string> headers;
  // As CURLOPT_AWS_SIGV4; empty: not signed.
  std::string aws_sigv4;
  std::string access_key;
  std::string secret_key;
};

struct HttpResponseHead {
  // 0: no response yet.
  int status = 0;
  std::string content_type;
  std::string content_encoding;
  std::string etag;
  std::string last_modified;
  std::string location;
  // -1: not told.
  int64_t content_length = -1;
  // From Content-Range; -1: not told.
  int64_t range_start = -1;
  int64_t range_total = -1;
};

// Used by one thread, but for Wake.
class HttpTransfer {
 public:
  struct Options {
    // Connections to addresses that are not public are allowed.
    bool allow_private_addresses = false;
    // PEM file of authorities; empty: the system's.
    std::string ca_file;
    absl::Duration connect_timeout = absl::Seconds(10);
    // A transfer that brings less than 100 bytes a second for this long has failed. At least one second.
    absl::Duration stall_timeout = absl::Seconds(20);
  };
  // What becomes of a piece of the body.
  enum class Verdict {
    kTake,
    // Offer the piece again after Resume.
    kPause,
    // End the transfer.
    kStop,
  };
  class Receiver {
   public:
    virtual ~Receiver() = default;
    // The head is complete when the first piece comes; a response without body brings none.
    virtual Verdict OnBody(const HttpResponseHead& head, std::string_view bytes) = 0;
  };
  enum class Outcome {
    kComplete,
    // By a kStop.
    kStopped,
    // The URL is malformed.
    kBadUrl,
    kUnknownHost,
    // No address of the host may be connected to.
    kAddressRefused,
    // TLS failed, for instance because of the certificate.
    kInsecure,
    // Anything else: worth another try.
    kBroken,
  };

  explicit HttpTransfer(Options options);
  ~HttpTransfer();
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  // Starts a transfer; one that is under way is dropped.
  void Start(const HttpRequest& request, Receiver* receiver);
  // Drops the transfer. Must not be called by the receiver.
  void Stop();
  // Waits for the network, at most `timeout` or until Wake, and calls the receiver. Also waits if nothing is under way.
  void Poll(absl::Duration timeout);
  // Ends a pause.
  void Resume();
  // Ends a Poll; from any thread.
  void Wake();

  // Started, and neither ended nor dropped.
  bool active() const;
  bool paused() const;
  // Of the last transfer, once it has ended.
  Outcome outcome() const;
  const HttpResponseHead& head() const;
  // What went wrong, for messages.
  std::string error() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace reelsight::orchestrator
