// SPDX-License-Identifier: Apache-2.0
//
// Where an object of S3 is fetched, and what S3's errors mean. The fetching itself is HttpSource's.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "orchestrator/source/http_source.h"
#include "reelsight/config/v1/config.pb.h"

namespace reelsight::orchestrator {

// Immutable, so thread-safe.
class S3Location {
 public:
  struct Credentials {
    // Empty: requests are not signed, which serves public buckets.
    std::string access_key;
    std::string secret_key;
    // Of temporary credentials.
    std::string session_token;
    // Counts where the configuration names no region.
    std::string region;

    // AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, and AWS_REGION or else AWS_DEFAULT_REGION.
    static Credentials FromEnvironment();
  };

  // INVALID_ARGUMENT naming a field of the configuration.
  static absl::StatusOr<S3Location> Create(const config::v1::S3Config& config, Credentials credentials);

  // The URL of an object, its key percent-encoded; it is to be sent as it is (HttpSource::Options::path_as_is).
  std::string Url(const std::string& bucket, const std::string& key) const;
  // Adds signature, headers and the meaning of errors to `options`. Addresses of a configured endpoint may be private.
  void Configure(const std::string& bucket, HttpSource::Options& options) const;
  // What a response means whose status is an error; OK if its body is none of S3's.
  absl::Status Explain(int status, std::string_view body, const std::string& bucket) const;

 private:
  Credentials credentials_;
  std::string region_;
  // `https://host` or `https://host/path`, without a slash at the end; empty: Amazon's.
  std::string endpoint_;
  bool path_style_ = false;
};

}  // namespace reelsight::orchestrator
