// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/analyze_stream_reactor.h"

#include <optional>
#include <utility>

#include "shared/base/test_pause.h"

namespace reelsight::orchestrator {

void AnalyzeStreamReactor::Start(Orchestrator& orchestrator, std::shared_ptr<const v1::AnalyzeRequest> request) {
  if (!scope_.admitted().ok()) return OnEnd(scope_.admitted());
  scope_.set_request_id(request->request_id());
  orchestrator.StartRun(std::move(request), this, scope_.cancel(),
                        [this](absl::StatusOr<ResponsePtr> result) { OnEnd(std::move(result)); });
}

template <typename Change>
void AnalyzeStreamReactor::Advance(const Change& change) {
  std::optional<absl::Status> end;
  {
    MutexLock lock(mutex_);
    change();
    if (!writing_ && !queue_.empty()) {
      writing_ = true;
      current_ = std::move(queue_.front());
      queue_.pop_front();
      // Under the lock: OnWriteDone, and so the end, cannot overtake it.
      StartWrite(&current_);
    } else if (!writing_ && ended_ && !finished_) {
      finished_ = true;
      end = std::move(status_);
    }
  }
  // Only one thread ever gets here with an end, and until then nobody else ends the call.
  if (end.has_value()) Finish(scope_.Finish(*end));
  TestPause("AnalyzeStreamReactor::Advance");
}

void AnalyzeStreamReactor::OnVideo(const v1::VideoInfo& video) {
  v1::AnalyzeStreamResponse message;
  *message.mutable_video() = video;
  Advance([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { queue_.push_back(std::move(message)); });
}

void AnalyzeStreamReactor::OnProgress(const v1::AnalyzeStreamResponse::Progress& progress) {
  v1::AnalyzeStreamResponse message;
  *message.mutable_progress() = progress;
  Advance([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::erase_if(queue_, [](const v1::AnalyzeStreamResponse& waiting) { return waiting.has_progress(); });
    queue_.push_back(std::move(message));
  });
}

void AnalyzeStreamReactor::OnResult(const v1::AnalyzerResult& result) {
  v1::AnalyzeStreamResponse message;
  *message.mutable_partial_result() = result;
  Advance([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { queue_.push_back(std::move(message)); });
}

void AnalyzeStreamReactor::OnEnd(absl::StatusOr<ResponsePtr> result) {
  v1::AnalyzeStreamResponse message;
  if (result.ok()) *message.mutable_response() = **result;
  Advance([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ended_ = true;
    status_ = result.status();
    if (result.ok()) queue_.push_back(std::move(message));
  });
}

void AnalyzeStreamReactor::OnWriteDone(bool ok) {
  // Destroyed without the lock, because it may be large.
  v1::AnalyzeStreamResponse written;
  std::deque<v1::AnalyzeStreamResponse> dropped;
  Advance([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    writing_ = false;
    written = std::move(current_);
    // The caller is gone; its cancellation ends the run.
    if (!ok) dropped.swap(queue_);
  });
}

}  // namespace reelsight::orchestrator
