// SPDX-License-Identifier: Apache-2.0
//
// What every call of a gRPC callback service needs: admission, a cancel token that follows the caller and its deadline,
// metrics, and a log line when it fails. CallScope serves any reactor; UnaryCall is a complete unary one.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "shared/base/cancel_token.h"
#include "shared/rpc/call_gate.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::rpc {

// What calls share. `metrics` may be null. Both must outlive the calls.
struct CallEnvironment {
  CallGate& gate;
  telemetry::Metrics* metrics = nullptr;
};

// Lives as long as its reactor. Thread-safe.
class CallScope {
 public:
  // `method`: short name of the RPC. Enters the gate.
  CallScope(CallEnvironment environment, const grpc::CallbackServerContext& context, std::string_view method);
  ~CallScope();
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

  // OK, or why the call must end at once with this status.
  const absl::Status& admitted() const { return admitted_; }
  // Cancelled when the caller goes away or the server stops; has the caller's deadline.
  const CancelToken& cancel() const { return cancel_; }
  // For the log; set it before the call is handed to another thread.
  void set_request_id(std::string request_id) { request_id_ = std::move(request_id); }

  // From the reactor's OnCancel.
  void OnCancel();
  // Counts and logs the call's end and translates its status for the reactor's Finish. Call once.
  grpc::Status Finish(const absl::Status& status);

 private:
  const CallEnvironment environment_;
  const std::string method_;
  const std::chrono::steady_clock::time_point start_;
  const CancelToken cancel_;
  std::string request_id_;
  int64_t ticket_ = 0;
  absl::Status admitted_;
  std::atomic<bool> finished_ = false;
};

// The reactor of one unary call; deletes itself when gRPC is done with it. The request and response messages of the
// call live until Done.
//
//   auto* call = new UnaryCall(environment, *context, "Describe");
//   if (!call->admitted()) return call;  // It has ended itself.
//   ... later, on any thread: call->Done(status);
//   return call;
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(CallEnvironment environment, const grpc::CallbackServerContext& context, std::string_view method);

  bool admitted() const { return scope_.admitted().ok(); }
  const CancelToken& cancel() const { return scope_.cancel(); }
  void set_request_id(std::string request_id) { scope_.set_request_id(std::move(request_id)); }
  // Ends the call, once. The object may be gone when this returns.
  void Done(const absl::Status& status) { Finish(scope_.Finish(status)); }

 private:
  ~UnaryCall() override = default;
  void OnCancel() override { scope_.OnCancel(); }
  void OnDone() override { delete this; }

  CallScope scope_;
};

}  // namespace reelsight::rpc
