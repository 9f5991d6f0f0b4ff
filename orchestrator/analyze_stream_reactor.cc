// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/analyze_stream_reactor.h"

#include <utility>

namespace reelsight::orchestrator {

void AnalyzeStreamReactor::Start(Orchestrator& orchestrator, std::shared_ptr<const v1::AnalyzeRequest> request) {
  if (!scope_.admitted().ok()) return OnEnd(scope_.admitted());
  scope_.set_request_id(request->request_id());
  orchestrator.Start(std::move(request), this, scope_.cancel(),
                     [this](absl::StatusOr<Orchestrator::ResponsePtr> result) { OnEnd(std::move(result)); });
}

void AnalyzeStreamReactor::OnVideo(const v1::VideoInfo& video) {
  v1::AnalyzeStreamResponse message;
  *message.mutable_video() = video;
  Push(std::move(message));
}

void AnalyzeStreamReactor::OnProgress(const v1::AnalyzeStreamResponse::Progress& progress) {
  v1::AnalyzeStreamResponse message;
  *message.mutable_progress() = progress;
  {
    MutexLock lock(mutex_);
    // The newest is enough: an older one that still waits is replaced.
    if (!queue_.empty() && queue_.back().has_progress()) queue_.pop_back();
  }
  Push(std::move(message));
}

void AnalyzeStreamReactor::OnResult(const v1::AnalyzerResult& result) {
  v1::AnalyzeStreamResponse message;
  *message.mutable_partial_result() = result;
  Push(std::move(message));
}

void AnalyzeStreamReactor::OnEnd(absl::StatusOr<Orchestrator::ResponsePtr> result) {
  {
    MutexLock lock(mutex_);
    ended_ = true;
    status_ = result.status();
    if (result.ok()) *queue_.emplace_back().mutable_response() = **result;
  }
  Advance();
}

void AnalyzeStreamReactor::Push(v1::AnalyzeStreamResponse message) {
  {
    MutexLock lock(mutex_);
    queue_.push_back(std::move(message));
  }
  Advance();
}

void AnalyzeStreamReactor::OnWriteDone(bool ok) {
  {
    MutexLock lock(mutex_);
    writing_ = false;
    // The caller is gone; its cancellation ends the run.
    if (!ok) queue_.clear();
  }
  Advance();
}

void AnalyzeStreamReactor::Advance() {
  absl::Status status;
  {
    MutexLock lock(mutex_);
    if (writing_ || finished_) return;
    if (!queue_.empty()) {
      writing_ = true;
      current_ = std::move(queue_.front());
      queue_.pop_front();
      // Under the lock: once a write is started outside it, OnDone could come before StartWrite has returned.
      StartWrite(&current_);
      return;
    }
    if (!ended_) return;
    finished_ = true;
    status = status_;
  }
  Finish(scope_.Finish(status));
}

}  // namespace reelsight::orchestrator
