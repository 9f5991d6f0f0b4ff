// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/run.h"

#include <algorithm>
#include <utility>

#include "shared/base/status.h"
#include "shared/base/test_pause.h"

namespace reelsight::orchestrator {
namespace {

using Clock = CancelToken::Clock;

// The answer as a later caller gets it.
absl::StatusOr<ResponsePtr> Replayed(const std::string& answer) {
  auto response = std::make_shared<v1::AnalyzeResponse>();
  if (!response->ParseFromString(answer)) {
    return MakeError(absl::StatusCode::kInternal, Reason::kInternal, "the answer that was kept cannot be read");
  }
  response->mutable_stats()->set_replayed(true);
  return response;
}

// A moment before `deadline` at which analyzers are cut off.
Clock::time_point WorkDeadline(Clock::time_point now, Clock::time_point deadline) {
  if (deadline == Clock::time_point::max()) return deadline;
  const Clock::duration tenth = (deadline - now) / 10;
  return deadline - std::clamp<Clock::duration>(tenth, std::chrono::milliseconds(50), std::chrono::seconds(1));
}

}  // namespace

Run::Run(std::string id, std::shared_ptr<const v1::AnalyzeRequest> request, concurrency::Timer& timer)
    : id_(std::move(id)),
      timer_(timer),
      work_cancel_link_(cancel_, [work = work_cancel_, cancel = cancel_] { work.Cancel(cancel.status()); }),
      request_(std::move(request)) {}

std::shared_ptr<const v1::AnalyzeRequest> Run::request() const {
  MutexLock lock(mutex_);
  return request_;
}

void Run::Caller::End(absl::StatusOr<ResponsePtr> result, concurrency::Timer& timer) {
  DoneCallback call;
  {
    MutexLock lock(mutex);
    call = std::exchange(done, nullptr);
    timer.Cancel(alarm);
  }
  if (call != nullptr) call(std::move(result));
}

void Run::SetDeadline(Clock::time_point deadline) {
  cancel_.SetDeadline(deadline);
  work_cancel_.SetDeadline(WorkDeadline(Clock::now(), deadline));
  const Clock::time_point earliest = cancel_.deadline();
  if (earliest == Clock::time_point::max()) return;
  MutexLock lock(mutex_);
  timer_.Cancel(deadline_alarm_);
  deadline_alarm_ = timer_.RunAt(earliest, [weak = std::weak_ptr<Run>(shared_from_this())] {
    if (const std::shared_ptr<Run> run = weak.lock(); run != nullptr) (void)run->cancel_.status();
  });
}

bool Run::joinable() const {
  MutexLock lock(mutex_);
  if (outcome_ != nullptr) return outcome_->status.ok() && !cut_short_;
  return !cancel_.over() && !abandoned_ && !cut_short_;
}

void Run::SetWorkAlarm() {
  timer_.Cancel(work_alarm_);
  Clock::time_point last = Clock::time_point::min();
  for (const std::shared_ptr<Caller>& caller : callers_) last = std::max(last, caller->deadline);
  if (callers_.empty() || last == Clock::time_point::max()) return;
  work_alarm_ = timer_.RunAt(WorkDeadline(Clock::now(), last), [weak = std::weak_ptr<Run>(shared_from_this()), last] {
    const std::shared_ptr<Run> run = weak.lock();
    if (run == nullptr) return;
    {
      MutexLock lock(run->mutex_);
      // Somebody with more time may have come while this was on its way.
      for (const std::shared_ptr<Caller>& caller : run->callers_) {
        if (caller->deadline > last) return;
      }
      if (run->outcome_ != nullptr) return;
      run->cut_short_ = true;
    }
    run->work_cancel_.Cancel(
        MakeError(absl::StatusCode::kDeadlineExceeded, Reason::kDeadlineExceeded, "deadline passed"));
  });
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): a reference of its own.
bool Run::Attach(RunObserver* observer, CancelToken cancel, DoneCallback done) {
  auto caller = std::make_shared<Caller>(cancel.deadline());
  v1::AnalyzeStreamResponse::Progress waiting;
  std::unique_ptr<v1::VideoInfo> video;
  std::vector<v1::AnalyzerResult> results;
  std::shared_ptr<const Outcome> outcome;
  {
    // Held over both steps, so that no event overtakes those that the caller missed.
    MutexLock caller_lock(caller->mutex);
    caller->observer = observer;
    caller->done = std::move(done);
    {
      MutexLock lock(mutex_);
      if (outcome_ == nullptr && (cancel_.over() || abandoned_ || cut_short_)) return false;
      waiting.set_queue_position(place_);
      if (video_ != nullptr) video = std::make_unique<v1::VideoInfo>(*video_);
      results = results_;
      if (outcome_ != nullptr) {
        outcome = outcome_;
      } else {
        callers_.push_back(caller);
        SetWorkAlarm();
      }
    }
    if (observer != nullptr) {
      if (waiting.queue_position() > 0) observer->OnProgress(waiting);
      if (video != nullptr) observer->OnVideo(*video);
      for (const v1::AnalyzerResult& result : results) observer->OnResult(result);
    }
  }
  if (outcome != nullptr) {
    caller->End(outcome->status.ok() ? Replayed(outcome->answer) : outcome->status, timer_);
    return true;
  }
  TestPause("Run::Attach");
  auto link = std::make_unique<CancelToken::Callback>(
      cancel, [run = std::weak_ptr<Run>(shared_from_this()), weak = std::weak_ptr<Caller>(caller), cancel] {
        const std::shared_ptr<Caller> gone = weak.lock();
        const std::shared_ptr<Run> self = run.lock();
        if (gone != nullptr && self != nullptr) self->Detach(gone, cancel.status());
      });
  MutexLock lock(caller->mutex);
  caller->link = std::move(link);
  if (caller->done != nullptr && caller->deadline != Clock::time_point::max()) {
    caller->alarm = timer_.RunAt(caller->deadline, [cancel] { (void)cancel.status(); });
  }
  return true;
}

void Run::Detach(const std::shared_ptr<Caller>& caller, const absl::Status& why) {
  bool alone = false;
  {
    MutexLock lock(mutex_);
    std::erase(callers_, caller);
    alone = callers_.empty() && outcome_ == nullptr;
    abandoned_ = abandoned_ || alone;
    if (outcome_ == nullptr) SetWorkAlarm();
  }
  TestPause("Run::Detach");
  if (alone) cancel_.Cancel(why);
  caller->End(why, timer_);
}

template <typename Event>
void Run::DeliverToAll(const std::vector<std::shared_ptr<Caller>>& callers, void (RunObserver::*method)(const Event&),
                       const Event& event) {
  for (const std::shared_ptr<Caller>& caller : callers) caller->Deliver(method, event);
}

void Run::SendPlace(int place) {
  v1::AnalyzeStreamResponse::Progress progress;
  progress.set_queue_position(place);
  std::vector<std::shared_ptr<Caller>> callers;
  {
    MutexLock lock(mutex_);
    place_ = place;
    callers = callers_;
  }
  DeliverToAll(callers, &RunObserver::OnProgress, progress);
}

void Run::SendVideo(const v1::VideoInfo& video) {
  std::vector<std::shared_ptr<Caller>> callers;
  {
    MutexLock lock(mutex_);
    video_ = std::make_unique<v1::VideoInfo>(video);
    callers = callers_;
  }
  DeliverToAll(callers, &RunObserver::OnVideo, video);
}

void Run::SendProgress(const v1::AnalyzeStreamResponse::Progress& progress) {
  std::vector<std::shared_ptr<Caller>> callers;
  {
    MutexLock lock(mutex_);
    callers = callers_;
  }
  DeliverToAll(callers, &RunObserver::OnProgress, progress);
}

void Run::SendResult(const v1::AnalyzerResult& result) {
  std::vector<std::shared_ptr<Caller>> callers;
  {
    MutexLock lock(mutex_);
    results_.push_back(result);
    callers = callers_;
  }
  DeliverToAll(callers, &RunObserver::OnResult, result);
}

void Run::Finish(absl::StatusOr<ResponsePtr> result) {
  const bool cut_short = work_cancel_.cancelled();
  auto outcome = std::make_shared<Outcome>(Outcome{result.status(), ""});
  if (result.ok() && !(*result)->SerializeToString(&outcome->answer)) {
    outcome->status = MakeError(absl::StatusCode::kInternal, Reason::kInternal, "the answer is too large to keep");
  }
  std::vector<std::shared_ptr<Caller>> all;
  // Destroyed without the lock, because they may be large.
  std::shared_ptr<const v1::AnalyzeRequest> request;
  std::vector<v1::AnalyzerResult> results;
  {
    MutexLock lock(mutex_);
    if (outcome_ != nullptr) return;
    outcome_ = std::move(outcome);
    finished_at_ = Clock::now();
    cut_short_ = cut_short_ || cut_short;
    timer_.Cancel(work_alarm_);
    timer_.Cancel(deadline_alarm_);
    place_ = 0;
    all.swap(callers_);
    request.swap(request_);
    results.swap(results_);
    video_.reset();
  }
  for (const std::shared_ptr<Caller>& caller : all) caller->End(result, timer_);
}

Clock::time_point Run::finished_at() const {
  MutexLock lock(mutex_);
  return finished_at_;
}

int64_t Run::answer_bytes() const {
  MutexLock lock(mutex_);
  return outcome_ == nullptr ? 0 : static_cast<int64_t>(outcome_->answer.capacity());
}

}  // namespace reelsight::orchestrator
