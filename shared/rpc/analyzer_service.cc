// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/analyzer_service.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/support/message_allocator.h"
#include "shared/base/status.h"
#include "shared/rpc/batch_encoding.h"

namespace reelsight::rpc {
namespace {

using Clock = std::chrono::steady_clock;

// What a caller should wait when the queue is full: about the time of a batch.
constexpr absl::Duration kQueueRetryDelay = absl::Milliseconds(200);

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

// Request messages that pictures can keep alive after the call has ended.
class AnalyzerServiceImpl::BatchAllocator final
    : public grpc::MessageAllocator<analyzer::v1::AnalyzeFramesRequest, analyzer::v1::AnalyzeFramesResponse> {
 public:
  class Holder final
      : public grpc::MessageHolder<analyzer::v1::AnalyzeFramesRequest, analyzer::v1::AnalyzeFramesResponse> {
   public:
    Holder() : shared_request_(std::make_shared<analyzer::v1::AnalyzeFramesRequest>()) {
      set_request(shared_request_.get());
      set_response(&response_storage_);
    }
    void Release() override { delete this; }
    // Drops gRPC's own reference, so that pixels are freed when the work on them ends and not when the answer is sent.
    std::shared_ptr<const analyzer::v1::AnalyzeFramesRequest> TakeRequest() {
      set_request(nullptr);
      return std::move(shared_request_);
    }

   private:
    std::shared_ptr<analyzer::v1::AnalyzeFramesRequest> shared_request_;
    analyzer::v1::AnalyzeFramesResponse response_storage_;
  };

  grpc::MessageHolder<analyzer::v1::AnalyzeFramesRequest, analyzer::v1::AnalyzeFramesResponse>* AllocateMessages()
      override {
    return new Holder();
  }
};

AnalyzerServiceImpl::AnalyzerServiceImpl(const analysis::AnalyzerHost& host, concurrency::FairExecutor& executor,
                                         CallEnvironment environment)
    : host_(host), executor_(executor), environment_(environment), allocator_(std::make_unique<BatchAllocator>()) {
  SetMessageAllocatorFor_AnalyzeFrames(allocator_.get());
}

AnalyzerServiceImpl::~AnalyzerServiceImpl() = default;

grpc::ServerUnaryReactor* AnalyzerServiceImpl::Describe(grpc::CallbackServerContext* context,
                                                        const analyzer::v1::DescribeRequest*,
                                                        analyzer::v1::DescribeResponse* response) {
  auto* const call = new UnaryCall(environment_, *context, "Describe");
  if (!call->admitted()) return call;
  *response = host_.Describe();
  call->Done(absl::OkStatus());
  return call;
}

grpc::ServerUnaryReactor* AnalyzerServiceImpl::AnalyzeFrames(grpc::CallbackServerContext* context,
                                                             const analyzer::v1::AnalyzeFramesRequest*,
                                                             analyzer::v1::AnalyzeFramesResponse* response) {
  auto* const call = new UnaryCall(environment_, *context, "AnalyzeFrames");
  if (!call->admitted()) return call;
  absl::StatusOr<analysis::Batch> decoded =
      DecodeBatch(static_cast<BatchAllocator::Holder*>(context->GetRpcAllocatorState())->TakeRequest());
  if (!decoded.ok()) {
    call->Done(decoded.status());
    return call;
  }
  auto batch = std::make_shared<const analysis::Batch>(*std::move(decoded));
  if (environment_.metrics != nullptr) {
    telemetry::AnalyzerMetrics& metrics = environment_.metrics->analyzers();
    metrics.batch_frames.Observe({host_.service()}, static_cast<double>(batch->frames.size()));
    metrics.received_bytes_total.Add({host_.service()}, static_cast<double>(PixelBytes(*batch)));
  }
  const std::string request_id = batch->request_id;
  Submit(request_id, call, [this, call, batch = std::move(batch), response]() mutable -> absl::Status {
    ASSIGN_OR_RETURN(*response, host_.AnalyzeFrames(*batch, call->cancel()));
    batch.reset();
    return absl::OkStatus();
  });
  return call;
}

grpc::ServerUnaryReactor* AnalyzerServiceImpl::Summarize(grpc::CallbackServerContext* context,
                                                         const analyzer::v1::SummarizeRequest* request,
                                                         analyzer::v1::SummarizeResponse* response) {
  auto* const call = new UnaryCall(environment_, *context, "Summarize");
  if (!call->admitted()) return call;
  Submit(request->request_id(), call, [this, call, request, response]() -> absl::Status {
    ASSIGN_OR_RETURN(*response, host_.Summarize(*request, call->cancel()));
    return absl::OkStatus();
  });
  return call;
}

absl::Status AnalyzerServiceImpl::Health() const {
  const analyzer::v1::DescribeResponse description = host_.Describe();
  std::string why;
  bool any = false;
  for (const analyzer::v1::AnalyzerDescription& analyzer : description.analyzers()) {
    any = any || analyzer.available();
    if (environment_.metrics != nullptr) {
      environment_.metrics->analyzers().analyzer_available.Set({analyzer.name()}, analyzer.available() ? 1 : 0);
    }
    if (!analyzer.available()) absl::StrAppend(&why, "; ", analyzer.name(), ": ", analyzer.unavailable_reason());
  }
  if (any) return absl::OkStatus();
  return MakeError(absl::StatusCode::kUnavailable, Reason::kAnalyzerUnavailable,
                   absl::StrCat("service ", host_.service(), " has no analyzer that can be used", why));
}

void AnalyzerServiceImpl::Submit(const std::string& request_id, UnaryCall* call, std::function<absl::Status()> work) {
  call->set_request_id(request_id);
  const Clock::time_point arrival = Clock::now();
  const absl::Status queued = executor_.Submit(request_id, [this, call, arrival, work = std::move(work)]() mutable {
    if (environment_.metrics != nullptr) {
      environment_.metrics->analyzers().queue_duration_seconds.Observe({host_.service()}, SecondsSince(arrival));
    }
    absl::Status status = call->cancel().status();
    if (status.ok()) status = work();
    work = nullptr;  // Frees the pixels before the answer brings the next batch.
    call->Done(status);
  });
  if (!queued.ok()) call->Done(WithRetryDelay(queued, kQueueRetryDelay));
}

}  // namespace reelsight::rpc
