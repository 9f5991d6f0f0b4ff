// SPDX-License-Identifier: Apache-2.0
//
// Analyses by a server's gRPC API. Files of this machine travel in the request if they are small, else by UploadVideo;
// URIs go through as they are.
#pragma once

#include <memory>
#include <string>

#include "cli/backend.h"
#include "reelsight/v1/video_analysis_service.grpc.pb.h"

namespace reelsight::cli {

class RemoteBackend final : public Backend {
 public:
  struct Options {
    // `host:port` or any gRPC target.
    std::string server;
    // PEM file with the authorities that the server must be signed by; empty: plain text.
    std::string ca_file;
    // Files up to this size travel in the request. Above the server's limit on messages it fails.
    int64_t max_inline_bytes = 4 << 20;
    // Bytes in one message of an upload; at most 4 MiB.
    int64_t chunk_bytes = 1 << 20;
  };

  // Does not connect yet. INVALID_ARGUMENT if the ca_file cannot be used.
  static absl::StatusOr<std::unique_ptr<RemoteBackend>> Create(Options options);

  absl::StatusOr<v1::AnalyzeResponse> Analyze(const std::string& input, v1::AnalyzeRequest request,
                                              AnalysisObserver* observer, const CancelToken& cancel) override;
  absl::StatusOr<v1::ListAnalyzersResponse> ListAnalyzers(const CancelToken& cancel) override;

 private:
  explicit RemoteBackend(Options options) : options_(std::move(options)) {}
  // Sets the request's source from a file of this machine.
  absl::Status Attach(const std::string& path, AnalysisObserver* observer, const CancelToken& cancel,
                      v1::AnalyzeRequest& request);
  absl::StatusOr<std::string> Upload(const std::string& path, int64_t size, AnalysisObserver* observer,
                                     const CancelToken& cancel);
  // One UploadVideo call: `open`, then, if `path` is not empty, the file from open.offset on.
  absl::StatusOr<v1::UploadVideoResponse> UploadCall(const v1::UploadVideoRequest::Open& open, const std::string& path,
                                                     int64_t size, AnalysisObserver* observer,
                                                     const CancelToken& cancel);

  const Options options_;
  std::unique_ptr<v1::VideoAnalysisService::Stub> stub_;
};

}  // namespace reelsight::cli
