// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "orchestrator/source/fetched_bytes.h"
#include "orchestrator/source/http_errors.h"
#include "orchestrator/source/http_source.h"
#include "orchestrator/source/http_transfer.h"
#include "orchestrator/source/redirect_chain.h"
#include "orchestrator/source/served_file.h"

namespace reelsight::orchestrator {

// What an HttpSource asks its server for next, and what it makes of the answers: ranges, redirects, tries, how the file
// is kept. It has no thread, does not wait and does not touch the network; used under the lock of its owner, one
// transfer at a time.
class HttpFetch {
 public:
  using Clock = std::chrono::steady_clock;

  // Who the bytes are for.
  struct Reader {
    int64_t offset = 0;
    // For the byte at `offset`.
    bool waiting = false;
  };

  // Borrows both.
  HttpFetch(const std::string& url, const HttpSource::Options& options, const HttpErrors& errors);

  // Sticky: the first error ends the fetch.
  const absl::Status& error() const { return error_; }
  void Fail(absl::Status status);
  // The first bytes are there, and are no web page's.
  bool opened() const { return opened_; }
  // As in ByteSource.
  int64_t size_bytes() const { return file_.size_bytes(); }
  int64_t read_bytes() const { return read_bytes_; }
  int64_t cached_bytes() const { return bytes_.cached_bytes(); }
  bool IsPastEnd(int64_t offset) const { return size_bytes() >= 0 && offset >= size_bytes(); }
  // Copies what is there from `offset` on; 0: nothing, or error().
  size_t Copy(int64_t offset, std::span<uint8_t> into);

  // True if a transfer is needed for `reader`; from then on, NextRequest is to be sent at not_before().
  bool Needs(const Reader& reader) const;
  Clock::time_point not_before() const { return retry_at_; }
  HttpRequest NextRequest(const Reader& reader);
  // A reader waits for a place that the transfer under way does not come to soon.
  bool PassesBy(const Reader& reader) const;
  // A transfer that OnBody paused may go on.
  bool MayResume(const Reader& reader) const { return resume_below_ >= 0 && reader.offset >= resume_below_; }

  // As HttpTransfer::Receiver.
  HttpTransfer::Verdict OnBody(const HttpResponseHead& head, std::string_view bytes, const Reader& reader);
  // The transfer has ended by itself.
  void OnEnd(const HttpTransfer& transfer, const Reader& reader);

 private:
  bool Take(std::string_view bytes);
  void AcceptHead(const HttpResponseHead& head);
  void FinishOpening();
  void OnComplete(const HttpResponseHead& head, const Reader& reader);
  void OnBadStatus(const HttpResponseHead& head, const Reader& reader);
  void Retry(std::string_view why, const Reader& reader);

  const HttpSource::Options& options_;
  const HttpErrors& errors_;
  const int64_t read_ahead_bytes_;

  absl::Status error_;
  RedirectChain target_;
  // Failed tries since the last byte.
  int failures_ = 0;
  Clock::time_point retry_at_;
  bool no_range_ = false;

  // The file, and what there is of it.
  ServedFile file_;
  FetchedBytes bytes_;
  bool opened_ = false;
  std::string sniffed_;
  int64_t read_bytes_ = 0;

  // The response under way: where its next byte lies, bytes to pass over, what it said.
  int64_t position_ = 0;
  int64_t skip_bytes_ = 0;
  bool head_seen_ = false;
  bool progress_ = false;
  std::string error_body_;
  // A paused transfer goes on when the reader has come to here; -1: none is paused.
  int64_t resume_below_ = -1;
};

}  // namespace reelsight::orchestrator
