// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/run_queue.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::orchestrator {
namespace {

// What a caller should wait before it tries a full server again.
constexpr absl::Duration kBusyRetryDelay = absl::Seconds(2);

absl::Status Draining() {
  return WithRetryDelay(
      MakeError(absl::StatusCode::kUnavailable, Reason::kServerDraining, "the server is stopping; try another replica"),
      absl::Milliseconds(100));
}

absl::Status Busy(int running, size_t waiting) {
  return WithRetryDelay(
      MakeError(absl::StatusCode::kResourceExhausted, Reason::kServerBusy,
                absl::StrCat("the server works on ", running, " videos and ", waiting, " wait; try again later")),
      kBusyRetryDelay);
}

}  // namespace

RunQueue::RunQueue(const Options& options, RunFunction start, RunFunction leave, telemetry::Metrics* metrics)
    : options_(options), start_(std::move(start)), leave_(std::move(leave)), metrics_(metrics) {}

absl::Status RunQueue::Admit(const std::shared_ptr<Run>& run) {
  const AdmittedRun admitted{run, {}};
  bool starts = false;
  {
    MutexLock lock(mutex_);
    if (draining_) return Draining();
    if (running_ < options_.max_running) {
      ++running_;
      starts = true;
    } else if (static_cast<int>(waiting_.size()) < options_.max_waiting) {
      waiting_.push_back({admitted, nullptr, 0});
    } else {
      return Busy(running_, waiting_.size());
    }
    UpdateGauges();
  }
  if (starts) {
    start_(admitted);
    return absl::OkStatus();
  }
  auto link = std::make_unique<CancelToken::Callback>(run->cancel(), [this, weak = std::weak_ptr<Run>(run)] {
    if (const std::shared_ptr<Run> gone = weak.lock(); gone != nullptr) DropRun(gone.get());
  });
  {
    MutexLock lock(mutex_);
    for (Waiting& waiting : waiting_) {
      if (waiting.admitted.run == run) waiting.link.swap(link);
    }
  }
  MutexLock places_lock(places_mutex_);
  TellPlaces();
  return absl::OkStatus();
}

void RunQueue::StartNext() {
  std::list<Waiting> next;
  {
    MutexLock places_lock(places_mutex_);
    {
      MutexLock lock(mutex_);
      if (waiting_.empty()) {
        --running_;
      } else {
        next.splice(next.begin(), waiting_, waiting_.begin());
      }
      UpdateGauges();
    }
    if (!next.empty()) next.front().admitted.run->SendPlace(0);
    TellPlaces();
  }
  if (!next.empty()) start_(next.front().admitted);
}

void RunQueue::DropRun(const Run* run) {
  std::list<Waiting> dropped;
  {
    MutexLock lock(mutex_);
    const auto it = std::find_if(waiting_.begin(), waiting_.end(),
                                 [&](const Waiting& waiting) { return waiting.admitted.run.get() == run; });
    if (it == waiting_.end()) return;
    dropped.splice(dropped.begin(), waiting_, it);
    UpdateGauges();
  }
  leave_(dropped.front().admitted);
  MutexLock places_lock(places_mutex_);
  TellPlaces();
}

void RunQueue::TellPlaces() {
  std::vector<std::pair<std::shared_ptr<Run>, int>> changed;
  {
    MutexLock lock(mutex_);
    int place = 0;
    for (Waiting& waiting : waiting_) {
      ++place;
      if (std::exchange(waiting.told_place, place) != place) changed.emplace_back(waiting.admitted.run, place);
    }
  }
  for (const auto& [run, place] : changed) run->SendPlace(place);
}

void RunQueue::BeginDrain() {
  MutexLock lock(mutex_);
  draining_ = true;
}

int RunQueue::active_runs() const {
  MutexLock lock(mutex_);
  return static_cast<int>(waiting_.size()) + running_;
}

void RunQueue::UpdateGauges() const {
  if (metrics_ == nullptr) return;
  metrics_->orchestrator().runs_queued.Set({}, static_cast<double>(waiting_.size()));
  metrics_->orchestrator().runs_in_flight.Set({}, running_);
}

}  // namespace reelsight::orchestrator
