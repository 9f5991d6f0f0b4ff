// SPDX-License-Identifier: Apache-2.0
//
// One run and all who wait for it. Several callers share a run when they send the same request_id.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "orchestrator/run_observer.h"
#include "shared/base/cancel_token.h"
#include "shared/base/mutex.h"
#include "shared/concurrency/timer.h"

namespace reelsight::orchestrator {

// Thread-safe. Events come from one thread at a time.
//
// Lock order: a caller's mutex, then the run's, then those of tokens and of the timer. Observers are called under their
// caller's mutex alone; `done`, and what hangs on a token, under none.
class Run : public std::enable_shared_from_this<Run> {
 public:
  // `timer` must outlive the run and its callers.
  Run(std::string id, std::shared_ptr<const v1::AnalyzeRequest> request, concurrency::Timer& timer);

  const std::string& id() const { return id_; }
  // The request; null once the run is finished, so that its content does not stay in memory.
  std::shared_ptr<const v1::AnalyzeRequest> request() const;
  // Cancelled when no caller is left that wants the run.
  const CancelToken& cancel() const { return cancel_; }
  // Cancelled with `cancel()`, or a moment before the last of the callers' deadlines, so that they still get the
  // answers of the analyzers that are done: a tenth of the time left, between 50 ms and 1 s.
  const CancelToken& work_cancel() const { return work_cancel_; }

  // The run ends at this moment at the latest; an earlier one that was set wins.
  void SetDeadline(CancelToken::Clock::time_point deadline);
  // Adds a caller. It first gets the events that it missed; if the run is finished, its result, marked as replayed.
  // False, and nothing is done, if it cannot be joined any more: all its callers have left, or its time is over.
  // The token is copied, because `done` may end what it belongs to before this returns.
  bool Attach(RunObserver* observer, CancelToken cancel, DoneCallback done);

  // The run's place in the queue, from 1, as progress; 0: it starts. A caller who comes later hears the last one too.
  void SendPlace(int place);
  void SendVideo(const v1::VideoInfo& video);
  void SendProgress(const v1::AnalyzeStreamResponse::Progress& progress);
  void SendResult(const v1::AnalyzerResult& result);
  // Ends the run for all callers. Later calls do nothing.
  void Finish(absl::StatusOr<ResponsePtr> result);
  // When it was finished; max() if it is not.
  CancelToken::Clock::time_point finished_at() const;
  // True if somebody who asks for the same may have this run: it is under way, or its answer is worth keeping.
  bool joinable() const;
  // Memory of the answer kept for later callers, in bytes; 0 if there is none.
  int64_t answer_bytes() const;

 private:
  // One caller.
  struct Caller {
    // Constant after construction.
    const CancelToken::Clock::time_point deadline;

    Mutex mutex;
    // Guarded by mutex.
    RunObserver* observer ABSL_GUARDED_BY(mutex) = nullptr;
    DoneCallback done ABSL_GUARDED_BY(mutex);
    // Detaches the caller when its token is cancelled. Its function holds the caller while it runs: so it may be the
    // one that destroys it, and nobody else who does ever waits for it.
    std::unique_ptr<CancelToken::Callback> link ABSL_GUARDED_BY(mutex);
    // Wakes the caller's token at `deadline`, because it does not ring by itself.
    concurrency::Timer::Ticket alarm ABSL_GUARDED_BY(mutex);

    explicit Caller(CancelToken::Clock::time_point deadline_in) : deadline(deadline_in) {}

    // Delivers an event, unless the caller is done. The observer runs under the caller's own mutex, so that none comes
    // after the end.
    template <typename Event>
    void Deliver(void (RunObserver::*method)(const Event&), const Event& event) {
      MutexLock lock(mutex);
      if (done != nullptr && observer != nullptr) (observer->*method)(event);
    }
    void End(absl::StatusOr<ResponsePtr> result, concurrency::Timer& timer);
  };

  // How the run ended, for callers who come later. The answer is serialized: one block instead of a great many small
  // ones, each of which would keep the page around it from going back to the system.
  struct Outcome {
    absl::Status status;
    std::string answer;
  };

  template <typename Event>
  void DeliverToAll(const std::vector<std::shared_ptr<Caller>>& callers, void (RunObserver::*method)(const Event&),
                    const Event& event);
  void Detach(const std::shared_ptr<Caller>& caller, const absl::Status& why);
  // Lets work_cancel() ring for the last deadline of those who now wait.
  void SetWorkAlarm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction; the tokens and the timer synchronise themselves.
  const std::string id_;
  concurrency::Timer& timer_;
  const CancelToken cancel_;
  const CancelToken work_cancel_;
  const CancelToken::Callback work_cancel_link_;

  mutable Mutex mutex_;
  // Guarded by mutex_.
  std::shared_ptr<const v1::AnalyzeRequest> request_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Caller>> callers_ ABSL_GUARDED_BY(mutex_);
  int place_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<v1::VideoInfo> video_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::AnalyzerResult> results_ ABSL_GUARDED_BY(mutex_);
  // Null until the end.
  std::shared_ptr<const Outcome> outcome_ ABSL_GUARDED_BY(mutex_);
  CancelToken::Clock::time_point finished_at_ ABSL_GUARDED_BY(mutex_) = CancelToken::Clock::time_point::max();
  // All callers have left before the end.
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  // Its time ran out, so that answers may be missing.
  bool cut_short_ ABSL_GUARDED_BY(mutex_) = false;
  concurrency::Timer::Ticket work_alarm_ ABSL_GUARDED_BY(mutex_);
  // Wakes cancel() at its deadline, also while the run waits for its turn.
  concurrency::Timer::Ticket deadline_alarm_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace reelsight::orchestrator
