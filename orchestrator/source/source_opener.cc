// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/source_opener.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/source/content_source.h"
#include "orchestrator/source/file_source.h"
#include "orchestrator/source/http_source.h"
#include "orchestrator/source/redact_uri.h"
#include "orchestrator/source/s3_location.h"
#include "orchestrator/source/source_uri.h"
#include "orchestrator/source/upload_store.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {

namespace {

// Seconds of a configuration; 0 keeps `value`.
absl::Status ReadSeconds(double seconds, std::string_view field, absl::Duration& value) {
  if (!(seconds >= 0) || seconds > 86'400) return InvalidField(field, "must lie in [0, 86400] seconds");
  if (seconds > 0) value = absl::Seconds(seconds);
  return absl::OkStatus();
}

absl::Status ReadFetchOptions(const config::v1::SourceConfig& config, HttpSource::Options& options) {
  if (config.has_max_redirects()) {
    if (config.max_redirects() < 0 || config.max_redirects() > 50) {
      return InvalidField("sources.max_redirects", "must lie in [0, 50]");
    }
    options.max_redirects = config.max_redirects();
  }
  RETURN_IF_ERROR(ReadSeconds(config.connect_timeout_seconds(), "sources.connect_timeout_seconds",
                              options.transfer.connect_timeout));
  RETURN_IF_ERROR(ReadSeconds(config.fetch_timeout_seconds(), "sources.fetch_timeout_seconds", options.fetch_timeout));
  if (config.min_bytes_per_second() < 0) return InvalidField("sources.min_bytes_per_second", "must not be negative");
  if (config.min_bytes_per_second() > 0) options.sender.min_bytes_per_second = config.min_bytes_per_second();
  options.transfer.allow_private_addresses = config.allow_private_addresses();
  options.allow_insecure_redirects = config.allow_insecure_redirects();
  if (!config.ca_file().empty() && access(config.ca_file().c_str(), R_OK) != 0) {
    return InvalidField("sources.ca_file", absl::StrCat("cannot be read: ", config.ca_file()));
  }
  options.transfer.ca_file = config.ca_file();
  return absl::OkStatus();
}

}  // namespace

struct SourceOpener::Settings {
  FileSource::Rules files;
  bool http = true;
  HttpSource::Options fetch;
  S3Location s3;
};

SourceOpener::SourceOpener(std::unique_ptr<const Settings> settings, UploadStore* uploads)
    : settings_(std::move(settings)), uploads_(uploads) {}

SourceOpener::~SourceOpener() = default;

absl::StatusOr<std::unique_ptr<SourceOpener>> SourceOpener::Create(const config::v1::SourceConfig& config,
                                                                   const config::v1::VideoLimits& limits,
                                                                   UploadStore* uploads) {
  auto settings = std::make_unique<Settings>();
  if (limits.max_source_bytes() < 0) return InvalidField("limits.max_source_bytes", "must not be negative");
  if (limits.max_source_bytes() > 0) settings->files.max_bytes = limits.max_source_bytes();
  settings->files.allow_any_file = config.allow_any_file();
  for (int i = 0; i < config.file_roots_size(); ++i) {
    const std::string& root = config.file_roots(i);
    if (root.empty() || root[0] != '/') {
      return InvalidField(absl::StrCat("sources.file_roots[", i, "]"), "must be an absolute path");
    }
    settings->files.roots.push_back(root);
  }
  RETURN_IF_ERROR(ReadFetchOptions(config, settings->fetch));
  settings->fetch.max_bytes = settings->files.max_bytes;
  settings->http = !config.disable_http();
  ASSIGN_OR_RETURN(settings->s3, S3Location::Create(config.s3(), S3Location::Credentials::FromEnvironment()));
  return std::unique_ptr<SourceOpener>(new SourceOpener(std::move(settings), uploads));
}

absl::StatusOr<std::unique_ptr<ByteSource>> SourceOpener::Open(std::shared_ptr<const v1::AnalyzeRequest> request,
                                                               const CancelToken& cancel) const {
  RETURN_IF_ERROR(cancel.status());
  switch (request->source_case()) {
    case v1::AnalyzeRequest::kUri:
      return OpenUri(request->uri(), cancel);
    case v1::AnalyzeRequest::kContent: {
      const std::string& content = request->content();
      if (content.empty()) return InvalidArgument(Reason::kSourceEmpty, "content is empty");
      if (static_cast<int64_t>(content.size()) > settings_->files.max_bytes) {
        return MakeError(
            absl::StatusCode::kFailedPrecondition, Reason::kSourceTooLarge,
            absl::StrCat("content has ", content.size(), " bytes, over the limit of ", settings_->files.max_bytes));
      }
      return std::make_unique<ContentSource>(std::move(request), content);
    }
    case v1::AnalyzeRequest::kUploadId:
      if (uploads_ == nullptr) return InvalidField("upload_id", "this server takes no uploads");
      return uploads_->OpenSource(request->upload_id());
    case v1::AnalyzeRequest::SOURCE_NOT_SET:
      return InvalidField("source", "one of uri, content and upload_id is required");
  }
  return InvalidField("source", "unknown");
}

absl::StatusOr<std::unique_ptr<ByteSource>> SourceOpener::OpenUri(const std::string& uri,
                                                                  const CancelToken& cancel) const {
  RETURN_IF_ERROR(cancel.status());
  ASSIGN_OR_RETURN(const SourceUri parsed, SourceUri::Parse(uri));
  switch (parsed.kind) {
    case SourceUri::Kind::kFile:
      return FileSource::Open(parsed.location, settings_->files);
    case SourceUri::Kind::kHttp:
      if (!settings_->http) {
        return MakeError(absl::StatusCode::kPermissionDenied, Reason::kSourceForbidden,
                         "this server fetches nothing by http or https (sources.disable_http of its configuration)");
      }
      return HttpSource::Open(parsed.location, RedactUri(uri), settings_->fetch, cancel);
    case SourceUri::Kind::kS3: {
      HttpSource::Options options = settings_->fetch;
      settings_->s3.Configure(parsed.bucket, options);
      return HttpSource::Open(settings_->s3.Url(parsed.bucket, parsed.key), RedactUri(uri), std::move(options), cancel);
    }
  }
  return InvalidField("uri", "unknown kind of source");
}

}  // namespace reelsight::orchestrator
