// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/video_analysis_service.h"

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "orchestrator/analyze_stream_reactor.h"
#include "orchestrator/upload_reactor.h"

namespace reelsight::orchestrator {

grpc::ServerUnaryReactor* VideoAnalysisServiceImpl::Analyze(grpc::CallbackServerContext* context,
                                                            const v1::AnalyzeRequest* request,
                                                            v1::AnalyzeResponse* response) {
  auto* call = new rpc::UnaryCall(environment_, *context, "Analyze");
  if (!call->admitted()) return call;
  call->set_request_id(request->request_id());
  // A run may outlive this call, when another caller has joined it: it gets a request of its own. The message is moved,
  // not copied: gRPC does not look at it again.
  auto owned = std::make_shared<v1::AnalyzeRequest>(std::move(*const_cast<v1::AnalyzeRequest*>(request)));
  orchestrator_.Start(std::move(owned), nullptr, call->cancel(),
                      [call, response](absl::StatusOr<Orchestrator::ResponsePtr> result) {
                        if (result.ok()) *response = **result;
                        call->Done(result.status());
                      });
  return call;
}

grpc::ServerWriteReactor<v1::AnalyzeStreamResponse>* VideoAnalysisServiceImpl::AnalyzeStream(
    grpc::CallbackServerContext* context, const v1::AnalyzeRequest* request) {
  auto* reactor = new AnalyzeStreamReactor(environment_, *context);
  auto owned = std::make_shared<v1::AnalyzeRequest>(std::move(*const_cast<v1::AnalyzeRequest*>(request)));
  reactor->Start(orchestrator_, std::move(owned));
  return reactor;
}

grpc::ServerReadReactor<v1::UploadVideoRequest>* VideoAnalysisServiceImpl::UploadVideo(
    grpc::CallbackServerContext* context, v1::UploadVideoResponse* response) {
  auto* reactor = new UploadReactor(environment_, *context, orchestrator_.uploads(), disk_, response);
  reactor->Start();
  return reactor;
}

grpc::ServerUnaryReactor* VideoAnalysisServiceImpl::ListAnalyzers(grpc::CallbackServerContext* context,
                                                                  const v1::ListAnalyzersRequest*,
                                                                  v1::ListAnalyzersResponse* response) {
  auto* call = new rpc::UnaryCall(environment_, *context, "ListAnalyzers");
  if (!call->admitted()) return call;
  const absl::Status queued = disk_.Submit("list", [this, call, response] {
    *response = orchestrator_.ListAnalyzers();
    call->Done(absl::OkStatus());
  });
  if (!queued.ok()) call->Done(queued);
  return call;
}

}  // namespace reelsight::orchestrator
