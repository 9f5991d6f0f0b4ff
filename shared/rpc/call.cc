// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/call.h"

#include "shared/base/status.h"
#include "shared/rpc/deadline.h"
#include "shared/rpc/status.h"
#include "shared/telemetry/log.h"

namespace reelsight::rpc {
namespace {

// Failures that are the server's own matter, not the caller's.
bool IsServerFault(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal || code == absl::StatusCode::kUnknown ||
         code == absl::StatusCode::kDataLoss;
}

}  // namespace

CallScope::CallScope(CallEnvironment environment, const grpc::CallbackServerContext& context, std::string_view method)
    : environment_(environment), method_(method), start_(std::chrono::steady_clock::now()) {
  cancel_.SetDeadline(FromGrpcDeadline(context.raw_deadline()));
  admitted_ = environment_.gate.Enter(method_, cancel_, &ticket_);
  if (environment_.metrics != nullptr) environment_.metrics->rpc().requests_in_flight.Add({method_}, 1);
}

CallScope::~CallScope() {
  if (!finished_.load()) Finish(absl::CancelledError("the call was dropped"));
  if (admitted_.ok()) environment_.gate.Leave(ticket_);
}

void CallScope::OnCancel() {
  cancel_.Cancel(MakeError(absl::StatusCode::kCancelled, Reason::kCancelled, "the caller cancelled or went away"));
}

grpc::Status CallScope::Finish(const absl::Status& status) {
  if (finished_.exchange(true)) return ToGrpcStatus(status);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  if (environment_.metrics != nullptr) {
    telemetry::RpcMetrics& metrics = environment_.metrics->rpc();
    metrics.requests_in_flight.Add({method_}, -1);
    metrics.requests_total.Add({method_, telemetry::CodeLabel(status.code())});
    metrics.request_duration_seconds.Observe({method_}, seconds);
  }
  if (status.ok()) {
    telemetry::Log(telemetry::LogLevel::kDebug, request_id_, "call answered",
                   {{"method", method_}, {"seconds", seconds}});
  } else {
    telemetry::LogStatus(IsServerFault(status.code()) ? telemetry::LogLevel::kError : telemetry::LogLevel::kInfo,
                         request_id_, "call failed", status, {{"method", method_}, {"seconds", seconds}});
  }
  return ToGrpcStatus(status);
}

UnaryCall::UnaryCall(CallEnvironment environment, const grpc::CallbackServerContext& context, std::string_view method)
    : scope_(environment, context, method) {
  if (!admitted()) Done(scope_.admitted());
}

}  // namespace reelsight::rpc
