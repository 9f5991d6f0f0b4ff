// SPDX-License-Identifier: Apache-2.0
//
// One AnalyzeStream call: turns a run's events into messages. A slow reader loses progress messages, never results.
#pragma once

#include <deque>
#include <memory>

#include "grpcpp/support/server_callback.h"
#include "orchestrator/orchestrator.h"
#include "shared/base/mutex.h"
#include "shared/rpc/call.h"

namespace reelsight::orchestrator {

// Deletes itself when gRPC is done with it.
class AnalyzeStreamReactor final : public grpc::ServerWriteReactor<v1::AnalyzeStreamResponse>, public RunObserver {
 public:
  AnalyzeStreamReactor(rpc::CallEnvironment environment, const grpc::CallbackServerContext& context)
      : scope_(environment, context, "AnalyzeStream") {}

  void Start(Orchestrator& orchestrator, std::shared_ptr<const v1::AnalyzeRequest> request);

 private:
  ~AnalyzeStreamReactor() override = default;

  void OnVideo(const v1::VideoInfo& video) override;
  void OnProgress(const v1::AnalyzeStreamResponse::Progress& progress) override;
  void OnResult(const v1::AnalyzerResult& result) override;
  void OnEnd(absl::StatusOr<Orchestrator::ResponsePtr> result);

  void OnWriteDone(bool ok) override;
  void OnCancel() override { scope_.OnCancel(); }
  void OnDone() override { delete this; }

  void Push(v1::AnalyzeStreamResponse message);
  // Starts the next write or ends the call, if one of them is due.
  void Advance();

  rpc::CallScope scope_;

  Mutex mutex_;
  std::deque<v1::AnalyzeStreamResponse> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // The run is over: after the queue, the call ends with `status_`.
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  // The message being written.
  v1::AnalyzeStreamResponse current_;
};

}  // namespace reelsight::orchestrator
