// SPDX-License-Identifier: Apache-2.0
//
// AnalyzerClient for a service behind gRPC. It makes one attempt a call; retries are the caller's.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "reelsight/analyzer/v1/analyzer_service.grpc.pb.h"
#include "reelsight/config/v1/config.pb.h"
#include "shared/analysis/analyzer_client.h"
#include "shared/base/mutex.h"

namespace reelsight::rpc {

// Replicas (several addresses behind `dns:///name:port`, or `ipv4:a:1,b:2`) take turns. Pixels are sent from where they
// lie, without a copy. Cancelling the token cancels the call at the peer.
class GrpcAnalyzerClient final : public analysis::AnalyzerClient {
 public:
  struct Options {
    // For messages, for instance `lightweight`.
    std::string name;
    // gRPC target.
    std::string target;
    // Longest time of one call of AnalyzeFrames or Summarize; Describe has 5 s at most.
    absl::Duration batch_timeout = absl::Seconds(60);
    // Absent: plain text.
    const config::v1::TlsConfig* tls = nullptr;
    // Largest answer accepted, in bytes: AnalyzerEndpoint.max_receive_bytes.
    int max_receive_bytes = 64 << 20;
  };

  // Does not connect yet. INVALID_ARGUMENT for a target or TLS files that cannot be.
  static absl::StatusOr<std::unique_ptr<GrpcAnalyzerClient>> Create(const Options& options);
  static absl::StatusOr<std::unique_ptr<GrpcAnalyzerClient>> Create(const config::v1::AnalyzerEndpoint& endpoint);
  // Cancels what is under way and waits for its callbacks. Must not run inside one.
  ~GrpcAnalyzerClient() override;

  void Describe(const CancelToken& cancel, DescribeCallback done) override;
  void AnalyzeFrames(std::shared_ptr<const analysis::Batch> batch, const CancelToken& cancel,
                     BatchCallback done) override;
  void Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest> request, const CancelToken& cancel,
                 SummarizeCallback done) override;
  bool remote() const override { return true; }

 private:
  template <typename Response>
  class Call;

  GrpcAnalyzerClient(const Options& options, std::shared_ptr<grpc::Channel> channel);
  const std::string name_;
  const std::string target_;
  const absl::Duration batch_timeout_;
  std::unique_ptr<analyzer::v1::AnalyzerService::Stub> stub_;
  grpc::TemplatedGenericStub<grpc::ByteBuffer, analyzer::v1::AnalyzeFramesResponse> batch_stub_;

  Mutex mutex_;
  CondVar idle_;
  std::set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mutex_);
  int active_calls_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace reelsight::rpc
