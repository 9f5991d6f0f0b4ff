// SPDX-License-Identifier: Apache-2.0
//
// Turns the source of a request into bytes. The one place that decides where a caller may make the server read from.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "orchestrator/source/byte_source.h"
#include "reelsight/config/v1/config.pb.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/base/cancel_token.h"

namespace reelsight::orchestrator {

class UploadStore;

// Thread-safe.
class SourceOpener {
 public:
  // `uploads` may be null, then upload ids are refused; else it must outlive the opener and its sources. Errors:
  // INVALID_ARGUMENT naming a field of the configuration.
  static absl::StatusOr<std::unique_ptr<SourceOpener>> Create(const config::v1::SourceConfig& config,
                                                              const config::v1::VideoLimits& limits,
                                                              UploadStore* uploads);

  // Opens the source of `request`; the bytes of its `content` are not copied, so the source holds on to it. Blocks for
  // the network until the first bytes are there. Errors: INVALID_ARGUMENT (no source, SOURCE_EMPTY,
  // SOURCE_IS_WEB_PAGE, ...), NOT_FOUND, PERMISSION_DENIED (SOURCE_FORBIDDEN), FAILED_PRECONDITION (SOURCE_TOO_LARGE,
  // UPLOAD_INCOMPLETE), UNAVAILABLE (SOURCE_UNREACHABLE), the token's status.
  absl::StatusOr<std::unique_ptr<ByteSource>> Open(std::shared_ptr<const v1::AnalyzeRequest> request,
                                                   const CancelToken& cancel) const;
  // Opens a `uri` as the request's.
  absl::StatusOr<std::unique_ptr<ByteSource>> OpenUri(const std::string& uri, const CancelToken& cancel) const;

  ~SourceOpener();

 private:
  struct Settings;
  SourceOpener(std::unique_ptr<const Settings> settings, UploadStore* uploads);

  const std::unique_ptr<const Settings> settings_;
  UploadStore* const uploads_;
};

}  // namespace reelsight::orchestrator
