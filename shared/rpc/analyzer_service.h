// SPDX-License-Identifier: Apache-2.0
//
// analyzer.v1.AnalyzerService over an AnalyzerHost: gRPC's threads validate and queue, the executor's threads work.
// Describe alone is answered at once: it only looks things up.
#pragma once

#include <memory>
#include <vector>

#include "reelsight/analyzer/v1/analyzer_service.grpc.pb.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/concurrency/fair_executor.h"
#include "shared/rpc/call.h"

namespace reelsight::rpc {

// Pixels are used where the request message holds them; the message lives as long as any picture of it. Work of
// different runs (request_id) takes turns. A full queue is RESOURCE_EXHAUSTED, QUEUE_FULL with a retry delay. Work
// whose caller has gone or whose deadline has passed is dropped when its turn comes.
class AnalyzerServiceImpl final : public analyzer::v1::AnalyzerService::CallbackService {
 public:
  // Borrows all; they must outlive the service, and the executor's queue must be empty before the service goes.
  AnalyzerServiceImpl(const analysis::AnalyzerHost& host, concurrency::FairExecutor& executor,
                      CallEnvironment environment);
  ~AnalyzerServiceImpl() override;

  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context, const analyzer::v1::DescribeRequest* request,
                                     analyzer::v1::DescribeResponse* response) override;
  grpc::ServerUnaryReactor* AnalyzeFrames(grpc::CallbackServerContext* context,
                                          const analyzer::v1::AnalyzeFramesRequest* request,
                                          analyzer::v1::AnalyzeFramesResponse* response) override;
  grpc::ServerUnaryReactor* Summarize(grpc::CallbackServerContext* context,
                                      const analyzer::v1::SummarizeRequest* request,
                                      analyzer::v1::SummarizeResponse* response) override;

  // Health: OK if at least one analyzer can be used.
  absl::Status Health() const;

 private:
  class BatchAllocator;

  void Submit(const std::string& request_id, UnaryCall* call, std::function<absl::Status()> work);

  const analysis::AnalyzerHost& host_;
  concurrency::FairExecutor& executor_;
  const CallEnvironment environment_;
  const std::unique_ptr<BatchAllocator> allocator_;
};

}  // namespace reelsight::rpc
