// SPDX-License-Identifier: Apache-2.0
//
// The public gRPC service: adapts Orchestrator and UploadStore, adds nothing.
#pragma once

#include "orchestrator/orchestrator.h"
#include "reelsight/v1/video_analysis_service.grpc.pb.h"
#include "shared/concurrency/fair_executor.h"
#include "shared/rpc/call.h"
#include "shared/rpc/parsed_message.h"

namespace reelsight::orchestrator {

// Thread-safe. Borrows all; they must outlive the service and its calls.
class VideoAnalysisServiceImpl final : public v1::VideoAnalysisService::Service {
 public:
  // `disk`: runs what waits for the disk, which are uploads.
  VideoAnalysisServiceImpl(Orchestrator& orchestrator, rpc::CallEnvironment environment,
                           concurrency::FairExecutor& disk);

 private:
  using UploadRequest = rpc::ParsedMessage<v1::UploadVideoRequest>;
  using Request = rpc::ParsedMessage<v1::AnalyzeRequest>;

  grpc::ServerUnaryReactor* OnAnalyze(grpc::CallbackServerContext& context, const Request& request,
                                      v1::AnalyzeResponse& response);
  grpc::ServerWriteReactor<v1::AnalyzeStreamResponse>* OnAnalyzeStream(grpc::CallbackServerContext& context,
                                                                       const Request& request);
  grpc::ServerReadReactor<UploadRequest>* OnUploadVideo(grpc::CallbackServerContext& context,
                                                        v1::UploadVideoResponse& response);
  grpc::ServerUnaryReactor* OnListAnalyzers(grpc::CallbackServerContext& context,
                                            const rpc::ParsedMessage<v1::ListAnalyzersRequest>& request,
                                            v1::ListAnalyzersResponse& response);

  Orchestrator& orchestrator_;
  const rpc::CallEnvironment environment_;
  concurrency::FairExecutor& disk_;
};

}  // namespace reelsight::orchestrator
