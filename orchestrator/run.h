// SPDX-License-Identifier: Apache-2.0
//
// One run and all who wait for it. Several callers share a run when they send the same request_id.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "orchestrator/orchestrator.h"
#include "shared/base/mutex.h"
#include "shared/concurrency/timer.h"

namespace reelsight::orchestrator {

// Thread-safe. Events come from one thread at a time.
class Run : public std::enable_shared_from_this<Run> {
 public:
  // `timer` must outlive the run.
  Run(std::string id, std::shared_ptr<const v1::AnalyzeRequest> request, concurrency::Timer& timer);

  const std::string& id() const { return id_; }
  // The request; null once the run is finished, so that its content does not stay in memory.
  std::shared_ptr<const v1::AnalyzeRequest> request() const;
  // Cancelled when no caller is left that wants the run.
  const CancelToken& cancel() const { return cancel_; }

  // Adds a caller. It first gets the events that it missed; if the run is finished, its result, marked as replayed.
  void Attach(RunObserver* observer, const CancelToken& cancel, Orchestrator::DoneCallback done);

  void SendVideo(const v1::VideoInfo& video);
  void SendProgress(const v1::AnalyzeStreamResponse::Progress& progress);
  void SendResult(const v1::AnalyzerResult& result);
  // Ends the run for all callers. Later calls do nothing.
  void Finish(absl::StatusOr<Orchestrator::ResponsePtr> result);
  bool finished() const;
  // True if it ended well, so that keeping the answer makes sense.
  bool succeeded() const;

 private:
  // One caller.
  struct Caller {
    Mutex mutex;
    RunObserver* observer ABSL_GUARDED_BY(mutex) = nullptr;
    Orchestrator::DoneCallback done ABSL_GUARDED_BY(mutex);
    std::unique_ptr<CancelToken::Callback> link;

    // Delivers an event, unless the caller is done. The observer runs under the caller's own mutex, so that none comes
    // after the end.
    template <typename Event>
    void Deliver(void (RunObserver::*method)(const Event&), const Event& event) {
      MutexLock lock(mutex);
      if (done != nullptr && observer != nullptr) (observer->*method)(event);
    }
    void End(absl::StatusOr<Orchestrator::ResponsePtr> result);
  };

  template <typename Event>
  void DeliverToAll(std::vector<std::shared_ptr<Caller>> callers, void (RunObserver::*method)(const Event&),
                    const Event& event);
  void Detach(const std::shared_ptr<Caller>& caller, const absl::Status& why);

  const std::string id_;
  concurrency::Timer& timer_;
  const CancelToken cancel_;

  mutable Mutex mutex_;
  std::shared_ptr<const v1::AnalyzeRequest> request_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Caller>> callers_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<v1::VideoInfo> video_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::AnalyzerResult> results_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<absl::StatusOr<Orchestrator::ResponsePtr>> outcome_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace reelsight::orchestrator
