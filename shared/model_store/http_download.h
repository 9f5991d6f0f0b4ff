// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "shared/base/cancel_token.h"

namespace reelsight::model_store {

struct HttpDownload {
  // http or https.
  std::string url;
  // Sent as a bearer token to the first host only; empty: none.
  std::string bearer_token;
  // Where the content goes. What is there already is taken as its beginning, and only the rest is asked for.
  std::string path;
  // Size of the whole; more is an error.
  int64_t size_bytes = 0;
  // Bytes that are there so far.
  std::function<void(int64_t done_bytes)> on_progress;
};

// Fetches the file; `path` keeps what came, also after an error, so that the next call goes on from there. UNAVAILABLE,
// SOURCE_UNREACHABLE, if the connection fails or breaks; NOT_FOUND, PERMISSION_DENIED by the answer; RESOURCE_EXHAUSTED
// if the disk is full; DATA_LOSS if the answer is longer than size_bytes (`path` is then removed); the token's status
// when cancelled. Blocks.
absl::Status Download(const HttpDownload& download, const CancelToken& cancel);

}  // namespace reelsight::model_store
