// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/analyzer_directory.h"

#include <utility>

#include "shared/base/status.h"
#include "shared/telemetry/log.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::orchestrator {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kAnswerTimeout(3);

}  // namespace

struct AnalyzerDirectory::State {
  Mutex mutex;
  CondVar changed;
  std::vector<EndpointSnapshot> snapshots ABSL_GUARDED_BY(mutex);
  // Endpoints that have not yet answered in this round.
  size_t awaited ABSL_GUARDED_BY(mutex) = 0;
  // Rounds begun and ended.
  int64_t begun ABSL_GUARDED_BY(mutex) = 0;
  int64_t ended ABSL_GUARDED_BY(mutex) = 0;
  // Rounds asked for.
  int64_t asked ABSL_GUARDED_BY(mutex) = 1;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
};

AnalyzerDirectory::AnalyzerDirectory(const std::vector<Endpoint>& endpoints, absl::Duration interval,
                                     telemetry::Metrics* metrics)
    : endpoints_(endpoints), interval_(interval), metrics_(metrics), state_(std::make_shared<State>()) {
  {
    MutexLock lock(state_->mutex);
    for (const Endpoint& endpoint : endpoints_) {
      state_->snapshots.push_back(
          {.name = endpoint.name, .description = {}, .status = absl::UnavailableError("not asked yet")});
    }
  }
  thread_ = std::thread([this] { Work(); });
}

AnalyzerDirectory::~AnalyzerDirectory() {
  {
    MutexLock lock(state_->mutex);
    state_->stopping = true;
  }
  stop_.Cancel();
  state_->changed.NotifyAll();
  thread_.join();
}

void AnalyzerDirectory::Work() {
  while (true) {
    int64_t round = 0;
    {
      MutexLock lock(state_->mutex);
      const Clock::time_point next = Clock::now() + absl::ToChronoNanoseconds(interval_);
      while (!state_->stopping && state_->asked <= state_->begun && Clock::now() < next) {
        state_->changed.WaitUntil(state_->mutex, next);
      }
      if (state_->stopping) return;
      round = ++state_->begun;
      state_->asked = std::max(state_->asked, round);
      state_->awaited = endpoints_.size();
    }
    CancelToken timeout;
    timeout.SetDeadline(Clock::now() + kAnswerTimeout);
    for (size_t i = 0; i < endpoints_.size(); ++i) {
      endpoints_[i].client->Describe(timeout,
                                     [state = state_, i, round](absl::StatusOr<analyzer::v1::DescribeResponse> answer) {
                                       MutexLock lock(state->mutex);
                                       EndpointSnapshot& snapshot = state->snapshots[i];
                                       snapshot.status = answer.status();
                                       if (answer.ok()) snapshot.description = *std::move(answer);
                                       if (round == state->begun && state->awaited > 0) --state->awaited;
                                       state->changed.NotifyAll();
                                     });
    }
    MutexLock lock(state_->mutex);
    while (!state_->stopping && state_->awaited > 0 && timeout.deadline() > Clock::now()) {
      state_->changed.WaitUntil(state_->mutex, timeout.deadline());
    }
    state_->ended = round;
    state_->changed.NotifyAll();
    if (metrics_ == nullptr) continue;
    for (const EndpointSnapshot& snapshot : state_->snapshots) {
      metrics_->orchestrator().service_available.Set({snapshot.name}, snapshot.status.ok() ? 1 : 0);
      for (const analyzer::v1::AnalyzerDescription& analyzer : snapshot.description.analyzers()) {
        metrics_->DeclareAnalyzer(analyzer.name());
      }
    }
  }
}

std::vector<EndpointSnapshot> AnalyzerDirectory::Await(int64_t round) {
  const Clock::time_point limit = Clock::now() + kAnswerTimeout;
  MutexLock lock(state_->mutex);
  while (state_->ended < round && Clock::now() < limit) state_->changed.WaitUntil(state_->mutex, limit);
  return state_->snapshots;
}

std::vector<EndpointSnapshot> AnalyzerDirectory::Snapshot() { return Await(1); }

std::vector<EndpointSnapshot> AnalyzerDirectory::Refresh() {
  int64_t round = 0;
  {
    MutexLock lock(state_->mutex);
    round = state_->begun + 1;
    state_->asked = std::max(state_->asked, round);
  }
  state_->changed.NotifyAll();
  return Await(round);
}

}  // namespace reelsight::orchestrator
