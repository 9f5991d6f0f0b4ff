// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/run.h"

#include <algorithm>
#include <utility>

namespace reelsight::orchestrator {
namespace {

using Clock = CancelToken::Clock;

Orchestrator::ResponsePtr Replayed(const v1::AnalyzeResponse& response) {
  auto copy = std::make_shared<v1::AnalyzeResponse>(response);
  copy->mutable_stats()->set_replayed(true);
  return copy;
}

}  // namespace

Run::Run(std::string id, std::shared_ptr<const v1::AnalyzeRequest> request, concurrency::Timer& timer)
    : id_(std::move(id)), timer_(timer), request_(std::move(request)) {}

std::shared_ptr<const v1::AnalyzeRequest> Run::request() const {
  MutexLock lock(mutex_);
  return request_;
}

void Run::Caller::End(absl::StatusOr<Orchestrator::ResponsePtr> result) {
  Orchestrator::DoneCallback call;
  {
    MutexLock lock(mutex);
    call = std::exchange(done, nullptr);
  }
  if (call != nullptr) call(std::move(result));
}

void Run::Attach(RunObserver* observer, const CancelToken& cancel, Orchestrator::DoneCallback done) {
  auto caller = std::make_shared<Caller>();
  std::unique_ptr<v1::VideoInfo> video;
  std::vector<v1::AnalyzerResult> results;
  std::unique_ptr<absl::StatusOr<Orchestrator::ResponsePtr>> outcome;
  {
    // Held over both steps, so that no event overtakes those that the caller missed.
    MutexLock caller_lock(caller->mutex);
    caller->observer = observer;
    caller->done = std::move(done);
    {
      MutexLock lock(mutex_);
      if (video_ != nullptr) video = std::make_unique<v1::VideoInfo>(*video_);
      results = results_;
      if (outcome_ != nullptr) {
        outcome = std::make_unique<absl::StatusOr<Orchestrator::ResponsePtr>>(*outcome_);
      } else {
        callers_.push_back(caller);
      }
    }
    if (observer != nullptr) {
      if (video != nullptr) observer->OnVideo(*video);
      for (const v1::AnalyzerResult& result : results) observer->OnResult(result);
    }
  }
  if (outcome != nullptr) {
    if (outcome->ok()) *outcome = Replayed(***outcome);
    return caller->End(*std::move(outcome));
  }
  // A deadline does not ring by itself.
  if (const Clock::time_point deadline = cancel.deadline(); deadline != Clock::time_point::max()) {
    timer_.RunAt(deadline, [cancel] { (void)cancel.status(); });
  }
  auto link = std::make_unique<CancelToken::Callback>(
      cancel, [run = std::weak_ptr<Run>(shared_from_this()), weak = std::weak_ptr<Caller>(caller), cancel] {
        const std::shared_ptr<Caller> gone = weak.lock();
        const std::shared_ptr<Run> self = run.lock();
        if (gone != nullptr && self != nullptr) self->Detach(gone, cancel.status());
      });
  MutexLock lock(caller->mutex);
  caller->link = std::move(link);
}

void Run::Detach(const std::shared_ptr<Caller>& caller, const absl::Status& why) {
  bool alone = false;
  {
    MutexLock lock(mutex_);
    std::erase(callers_, caller);
    alone = callers_.empty() && outcome_ == nullptr;
  }
  if (alone) cancel_.Cancel(why);
  caller->End(why);
  // Its link, inside whose function this may run, must not be destroyed here.
  timer_.RunAt(Clock::now(), [caller] {});
}

template <typename Event>
void Run::DeliverToAll(std::vector<std::shared_ptr<Caller>> callers, void (RunObserver::*method)(const Event&),
                       const Event& event) {
  for (const std::shared_ptr<Caller>& caller : callers) caller->Deliver(method, event);
  timer_.RunAt(Clock::now(), [callers = std::move(callers)] {});
}

void Run::SendVideo(const v1::VideoInfo& video) {
  std::vector<std::shared_ptr<Caller>> callers;
  {
    MutexLock lock(mutex_);
    video_ = std::make_unique<v1::VideoInfo>(video);
    callers = callers_;
  }
  DeliverToAll(std::move(callers), &RunObserver::OnVideo, video);
}

void Run::SendProgress(const v1::AnalyzeStreamResponse::Progress& progress) {
  std::vector<std::shared_ptr<Caller>> callers;
  {
    MutexLock lock(mutex_);
    callers = callers_;
  }
  DeliverToAll(std::move(callers), &RunObserver::OnProgress, progress);
}

void Run::SendResult(const v1::AnalyzerResult& result) {
  std::vector<std::shared_ptr<Caller>> callers;
  {
    MutexLock lock(mutex_);
    results_.push_back(result);
    callers = callers_;
  }
  DeliverToAll(std::move(callers), &RunObserver::OnResult, result);
}

void Run::Finish(absl::StatusOr<Orchestrator::ResponsePtr> result) {
  std::vector<std::shared_ptr<Caller>> all;
  {
    MutexLock lock(mutex_);
    if (outcome_ != nullptr) return;
    outcome_ = std::make_unique<absl::StatusOr<Orchestrator::ResponsePtr>>(result);
    all.swap(callers_);
    request_.reset();
    results_.clear();
    video_.reset();
  }
  for (const std::shared_ptr<Caller>& caller : all) caller->End(result);
  timer_.RunAt(Clock::now(), [all = std::move(all)] {});
}

bool Run::finished() const {
  MutexLock lock(mutex_);
  return outcome_ != nullptr;
}

bool Run::succeeded() const {
  MutexLock lock(mutex_);
  return outcome_ != nullptr && outcome_->ok();
}

}  // namespace reelsight::orchestrator
