// SPDX-License-Identifier: Apache-2.0
//
// One AnalyzeStream call: turns a run's events into messages. A slow reader loses progress messages, never results: of
// those that wait, only the newest stays.
#pragma once

#include <deque>
#include <memory>

#include "grpcpp/support/server_callback.h"
#include "orchestrator/orchestrator.h"
#include "shared/base/mutex.h"
#include "shared/rpc/call.h"

namespace reelsight::orchestrator {

// Deletes itself when gRPC is done with it, which may be as soon as the lock is given free in which the call's end was
// decided: Note [The last touch] in shared/base/test_pause.h.
class AnalyzeStreamReactor final : public grpc::ServerWriteReactor<v1::AnalyzeStreamResponse>, public RunObserver {
 public:
  AnalyzeStreamReactor(rpc::CallEnvironment environment, const grpc::CallbackServerContext& context)
      : scope_(environment, context, "AnalyzeStream") {}

  // Ends the call with an error, instead of Start.
  void Refuse(const absl::Status& status) { OnEnd(scope_.admitted().ok() ? status : scope_.admitted()); }
  void Start(Orchestrator& orchestrator, std::shared_ptr<const v1::AnalyzeRequest> request);

 private:
  ~AnalyzeStreamReactor() override = default;

  void OnVideo(const v1::VideoInfo& video) override;
  void OnProgress(const v1::AnalyzeStreamResponse::Progress& progress) override;
  void OnResult(const v1::AnalyzerResult& result) override;
  void OnEnd(absl::StatusOr<ResponsePtr> result);

  void OnWriteDone(bool ok) override;
  void OnCancel() override { scope_.OnCancel(); }
  void OnDone() override { delete this; }

  // Changes the state by `change`, called under the lock, and in the same critical section decides what is due: the
  // next write, the end of the call, or nothing. The reactor may be gone when this returns.
  template <typename Change>
  void Advance(const Change& change);

  rpc::CallScope scope_;

  Mutex mutex_;
  std::deque<v1::AnalyzeStreamResponse> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // The run is over: after the queue, the call ends with `status_`.
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  // The message being written; empty when there is none.
  v1::AnalyzeStreamResponse current_;
};

}  // namespace reelsight::orchestrator
