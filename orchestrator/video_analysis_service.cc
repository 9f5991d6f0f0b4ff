// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/video_analysis_service.h"

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/impl/codegen/server_callback_handlers.h"
#include "orchestrator/analyze_stream_reactor.h"
#include "orchestrator/upload_reactor.h"

namespace reelsight::orchestrator {

namespace {

// Its place in the generated service.
int IndexOf(const char* method) {
  return google::protobuf::DescriptorPool::generated_pool()
      ->FindServiceByName(v1::VideoAnalysisService::service_full_name())
      ->FindMethodByName(method)
      ->index();
}

}  // namespace

VideoAnalysisServiceImpl::VideoAnalysisServiceImpl(Orchestrator& orchestrator, rpc::CallEnvironment environment,
                                                   concurrency::FairExecutor& disk)
    : orchestrator_(orchestrator), environment_(environment), disk_(disk) {
  using grpc::internal::CallbackClientStreamingHandler;
  using grpc::internal::CallbackServerStreamingHandler;
  using grpc::internal::CallbackUnaryHandler;
  MarkMethodCallback(IndexOf("Analyze"),
                     new CallbackUnaryHandler<Request, v1::AnalyzeResponse>(
                         [this](grpc::CallbackServerContext* context, const Request* request,
                                v1::AnalyzeResponse* response) { return OnAnalyze(*context, *request, *response); }));
  MarkMethodCallback(IndexOf("AnalyzeStream"),
                     new CallbackServerStreamingHandler<Request, v1::AnalyzeStreamResponse>(
                         [this](grpc::CallbackServerContext* context, const Request* request) {
                           return OnAnalyzeStream(*context, *request);
                         }));
  MarkMethodCallback(IndexOf("UploadVideo"),
                     new CallbackClientStreamingHandler<UploadRequest, v1::UploadVideoResponse>(
                         [this](grpc::CallbackServerContext* context, v1::UploadVideoResponse* response) {
                           return OnUploadVideo(*context, *response);
                         }));
  using ListRequest = rpc::ParsedMessage<v1::ListAnalyzersRequest>;
  MarkMethodCallback(
      IndexOf("ListAnalyzers"),
      new CallbackUnaryHandler<ListRequest, v1::ListAnalyzersResponse>(
          [this](grpc::CallbackServerContext* context, const ListRequest* request,
                 v1::ListAnalyzersResponse* response) { return OnListAnalyzers(*context, *request, *response); }));
}

grpc::ServerUnaryReactor* VideoAnalysisServiceImpl::OnAnalyze(grpc::CallbackServerContext& context,
                                                              const Request& request, v1::AnalyzeResponse& response) {
  auto* call = new rpc::UnaryCall(environment_, context, "Analyze");
  if (!call->admitted()) return call;
  call->set_request_id(request.message.request_id());
  if (!request.status.ok()) {
    call->Done(request.status);
    return call;
  }
  // A run may outlive this call, when another caller has joined it: it gets a request of its own. The message is moved,
  // not copied: gRPC does not look at it again.
  auto owned = std::make_shared<v1::AnalyzeRequest>(std::move(const_cast<Request&>(request).message));
  orchestrator_.StartRun(std::move(owned), nullptr, call->cancel(),
                         [call, &response](absl::StatusOr<ResponsePtr> result) {
                           if (result.ok()) response = **result;
                           call->Done(result.status());
                         });
  return call;
}

grpc::ServerWriteReactor<v1::AnalyzeStreamResponse>* VideoAnalysisServiceImpl::OnAnalyzeStream(
    grpc::CallbackServerContext& context, const Request& request) {
  auto* reactor = new AnalyzeStreamReactor(environment_, context);
  if (!request.status.ok()) {
    reactor->Refuse(request.status);
    return reactor;
  }
  auto owned = std::make_shared<v1::AnalyzeRequest>(std::move(const_cast<Request&>(request).message));
  reactor->Start(orchestrator_, std::move(owned));
  return reactor;
}

grpc::ServerReadReactor<VideoAnalysisServiceImpl::UploadRequest>* VideoAnalysisServiceImpl::OnUploadVideo(
    grpc::CallbackServerContext& context, v1::UploadVideoResponse& response) {
  auto* reactor = new UploadReactor(environment_, context, orchestrator_.uploads(), disk_, &response);
  reactor->Start();
  return reactor;
}

grpc::ServerUnaryReactor* VideoAnalysisServiceImpl::OnListAnalyzers(
    grpc::CallbackServerContext& context, const rpc::ParsedMessage<v1::ListAnalyzersRequest>& request,
    v1::ListAnalyzersResponse& response) {
  auto* call = new rpc::UnaryCall(environment_, context, "ListAnalyzers");
  if (!call->admitted()) return call;
  if (!request.status.ok()) {
    call->Done(request.status);
    return call;
  }
  orchestrator_.WhenKnown([this, call, &response] {
    response = orchestrator_.ListAnalyzers();
    call->Done(absl::OkStatus());
  });
  return call;
}

}  // namespace reelsight::orchestrator
