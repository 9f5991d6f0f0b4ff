// SPDX-License-Identifier: Apache-2.0
//
// The public gRPC service: adapts Orchestrator and UploadStore, adds nothing.
#pragma once

#include "orchestrator/orchestrator.h"
#include "reelsight/v1/video_analysis_service.grpc.pb.h"
#include "shared/concurrency/fair_executor.h"
#include "shared/rpc/call.h"

namespace reelsight::orchestrator {

// Thread-safe. Borrows all; they must outlive the service and its calls.
class VideoAnalysisServiceImpl final : public v1::VideoAnalysisService::CallbackService {
 public:
  // `disk`: runs what waits for the disk or for services (uploads, ListAnalyzers).
  VideoAnalysisServiceImpl(Orchestrator& orchestrator, rpc::CallEnvironment environment,
                           concurrency::FairExecutor& disk)
      : orchestrator_(orchestrator), environment_(environment), disk_(disk) {}

  grpc::ServerUnaryReactor* Analyze(grpc::CallbackServerContext* context, const v1::AnalyzeRequest* request,
                                    v1::AnalyzeResponse* response) override;
  grpc::ServerWriteReactor<v1::AnalyzeStreamResponse>* AnalyzeStream(grpc::CallbackServerContext* context,
                                                                     const v1::AnalyzeRequest* request) override;
  grpc::ServerReadReactor<v1::UploadVideoRequest>* UploadVideo(grpc::CallbackServerContext* context,
                                                               v1::UploadVideoResponse* response) override;
  grpc::ServerUnaryReactor* ListAnalyzers(grpc::CallbackServerContext* context, const v1::ListAnalyzersRequest* request,
                                          v1::ListAnalyzersResponse* response) override;

 private:
  Orchestrator& orchestrator_;
  const rpc::CallEnvironment environment_;
  concurrency::FairExecutor& disk_;
};

}  // namespace reelsight::orchestrator
