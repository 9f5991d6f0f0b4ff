// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/batch_dispatcher.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/fanout/retry_policy.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"
#include "shared/base/test_pause.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::orchestrator {
namespace {

using Clock = std::chrono::steady_clock;

// Longest time until a waiter notices a cancelled token.
constexpr std::chrono::milliseconds kCancelPoll(50);
// Retries of one run at one endpoint, over all its batches.
constexpr int kRetryBudget = 20;

struct Pending {
  std::shared_ptr<const analysis::Batch> batch;
  RetryState retry;
  // Whose batch it was when it was submitted; some may have been given up since.
  std::vector<std::string> analyzers;
};

std::vector<std::string> AnalyzersOf(const analysis::Batch& batch) {
  std::vector<std::string> names;
  for (const analysis::Work& work : batch.work) names.push_back(work.analyzer);
  return names;
}

// One call under way. `link` passes the run's cancellation on to `token`, which also ends by the attempt's own
// deadline.
struct Attempt {
  CancelToken token;
  std::unique_ptr<CancelToken::Callback> link;
  Clock::time_point start = Clock::now();
};

}  // namespace

// Outlives the dispatcher for as long as an attempt is under way: every callback holds a reference. See Note [The last
// touch] in test_pause.h.
struct BatchDispatcher::Core : std::enable_shared_from_this<BatchDispatcher::Core> {
  Core(std::vector<DispatchEndpoint> endpoints_in, concurrency::Timer& timer_in, const CancelToken& cancel_in)
      : endpoints(std::move(endpoints_in)), timer(timer_in), cancel(cancel_in), queues(endpoints.size()) {}

  struct Queue {
    std::deque<Pending> waiting;
    // Attempts under way, and batches that wait for their next attempt.
    int in_flight = 0;
    int retries_left = kRetryBudget;
  };

  const std::vector<DispatchEndpoint> endpoints;
  concurrency::Timer& timer;
  const CancelToken cancel;

  mutable Mutex mutex;
  CondVar changed;
  std::vector<Queue> queues ABSL_GUARDED_BY(mutex);
  std::map<std::string, FrameOutcome> outcomes ABSL_GUARDED_BY(mutex);
  // Batches of each analyzer that wait or are under way.
  std::map<std::string, int64_t> left ABSL_GUARDED_BY(mutex);
  int64_t sent_bytes ABSL_GUARDED_BY(mutex) = 0;
  // Called under its own lock, so that nobody is called once it is replaced.
  Mutex wake_mutex;
  std::function<void()> wake ABSL_GUARDED_BY(wake_mutex);

  // Starts what may start at `endpoint`.
  void Pump(int endpoint) {
    while (true) {
      Pending next;
      {
        MutexLock lock(mutex);
        Queue& queue = queues[endpoint];
        if (queue.waiting.empty() || queue.in_flight >= endpoints[endpoint].max_in_flight_batches) return;
        next = std::move(queue.waiting.front());
        queue.waiting.pop_front();
        ++queue.in_flight;
      }
      changed.NotifyAll();
      Send(endpoint, std::move(next));
    }
  }

  // REQUIRES: `pending` counts as in flight.
  void Send(int endpoint, Pending pending) {
    pending.batch = WithoutFailed(std::move(pending.batch));
    if (pending.batch == nullptr || cancel.cancelled()) return Finish(endpoint, pending.analyzers);
    auto attempt = std::make_shared<Attempt>();
    const DispatchEndpoint& to = endpoints[endpoint];
    attempt->token.SetDeadline(AttemptDeadline(to.batch_timeout, cancel));
    attempt->link = std::make_unique<CancelToken::Callback>(
        cancel, [token = attempt->token, run = cancel] { token.Cancel(run.status()); });
    auto batch = pending.batch;
    CountSent(to, *batch);
    to.client->AnalyzeFrames(std::move(batch), attempt->token,
                             [self = shared_from_this(), endpoint, attempt, pending = std::move(pending)](
                                 absl::StatusOr<analyzer::v1::AnalyzeFramesResponse> response) mutable {
                               self->OnDone(endpoint, std::move(pending), *attempt, std::move(response));
                               // Destroying the link waits for its function if that is running, which may be what
                               // brought us here.
                               self->timer.RunAt(Clock::now(), [attempt = std::move(attempt)] {});
                             });
  }

  void CountSent(const DispatchEndpoint& to, const analysis::Batch& batch) {
    int64_t bytes = 0;
    if (to.client->remote()) {
      for (const analysis::Frame& frame : batch.frames) bytes += static_cast<int64_t>(frame.image->bytes().size());
    }
    {
      MutexLock lock(mutex);
      sent_bytes += bytes;
    }
    if (to.metrics == nullptr) return;
    to.metrics->orchestrator().sent_bytes_total.Add({to.name}, static_cast<double>(bytes));
    to.metrics->orchestrator().batches_in_flight.Add({to.name}, 1);
  }

  static void CountAnswer(const DispatchEndpoint& from, absl::Duration took, const absl::Status& status) {
    if (from.metrics == nullptr) return;
    telemetry::OrchestratorMetrics& metrics = from.metrics->orchestrator();
    metrics.batches_in_flight.Add({from.name}, -1);
    metrics.batch_duration_seconds.Observe({from.name}, absl::ToDoubleSeconds(took));
    metrics.batch_attempts_total.Add({from.name, telemetry::CodeLabel(status.code())});
  }

  // The batch without work of analyzers that were given up; null if no work is left.
  std::shared_ptr<const analysis::Batch> WithoutFailed(std::shared_ptr<const analysis::Batch> batch) {
    const auto is_failed = [&](const analysis::Work& work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
      const auto it = outcomes.find(work.analyzer);
      return it != outcomes.end() && !it->second.status.ok();
    };
    std::vector<analysis::Work> left;
    {
      MutexLock lock(mutex);
      for (const analysis::Work& work : batch->work) {
        if (!is_failed(work)) left.push_back(work);
      }
    }
    if (left.empty()) return nullptr;
    if (left.size() == batch->work.size()) return batch;
    auto stripped = std::make_shared<analysis::Batch>(*batch);
    stripped->work = std::move(left);
    return stripped;
  }

  void OnDone(int endpoint, Pending pending, const Attempt& attempt,
              absl::StatusOr<analyzer::v1::AnalyzeFramesResponse> response) {
    const absl::Duration took = absl::FromChrono(Clock::now() - attempt.start);
    CountAnswer(endpoints[endpoint], took, response.status());
    if (response.ok() && static_cast<size_t>(response->results_size()) != pending.batch->work.size()) {
      response = MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                           absl::StrCat("service ", endpoints[endpoint].name, " answered ", response->results_size(),
                                        " analyzers instead of ", pending.batch->work.size()));
    }
    if (!response.ok() && !cancel.cancelled() && RetryLater(endpoint, pending, response.status())) return;
    {
      MutexLock lock(mutex);
      for (size_t i = 0; i < pending.batch->work.size(); ++i) {
        const analysis::Work& work = pending.batch->work[i];
        FrameOutcome& outcome = outcomes[work.analyzer];
        ++outcome.batch_count;
        outcome.batch_time += took;
        if (!response.ok()) {
          Fail(outcome, Final(endpoint, response.status()));
        } else {
          Accept(outcome, work, *response->mutable_results(static_cast<int>(i)));
        }
      }
    }
    pending.batch.reset();
    Finish(endpoint, pending.analyzers);
  }

  void Accept(FrameOutcome& outcome, const analysis::Work& work, analyzer::v1::AnalyzerBatchResult& result)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    outcome.cache_hits += result.cache_hits();
    outcome.cache_misses += result.cache_misses();
    const absl::Status failure = analysis::FromFailure(result.failure());
    if (!failure.ok()) return Fail(outcome, failure);
    bool matches = static_cast<size_t>(result.results_size()) == work.target_indexes.size();
    for (int i = 0; matches && i < result.results_size(); ++i) {
      matches = result.results(i).index() == work.target_indexes[i];
    }
    if (!matches || result.analyzer() != work.analyzer) {
      return Fail(outcome, MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                                     absl::StrCat(work.analyzer, " answered other frames than it was asked for")));
    }
    if (!outcome.status.ok()) return;
    outcome.frames_done += result.results_size();
    for (analyzer::v1::FrameResult& frame : *result.mutable_results()) outcome.results.push_back(std::move(frame));
  }

  // The first failure stays.
  static void Fail(FrameOutcome& outcome, absl::Status status) {
    if (!outcome.status.ok()) return;
    outcome.status = std::move(status);
    outcome.results.clear();
  }

  absl::Status Final(int endpoint, const absl::Status& status) const {
    if (absl::Status run = cancel.status(); !run.ok()) return run;
    absl::Status out = Annotate(status, absl::StrCat("service ", endpoints[endpoint].name));
    if (status.code() == absl::StatusCode::kUnavailable) return WithReason(out, Reason::kRetryBudgetSpent);
    if (status.code() == absl::StatusCode::kDeadlineExceeded) {
      return MakeError(absl::StatusCode::kDeadlineExceeded, Reason::kDeadlineExceeded,
                       absl::StrCat("service ", endpoints[endpoint].name, ": no answer to a batch within ",
                                    absl::FormatDuration(endpoints[endpoint].batch_timeout)));
    }
    return out;
  }

  bool RetryLater(int endpoint, Pending& pending, const absl::Status& failure) {
    ++pending.retry.failures;
    const auto delay =
        NextDelay(failure, pending.retry, endpoints[endpoint].max_retries, Patience(endpoints[endpoint].batch_timeout));
    if (!delay.has_value()) return false;
    {
      MutexLock lock(mutex);
      if (failure.code() == absl::StatusCode::kUnavailable && queues[endpoint].retries_left-- <= 0) return false;
      for (const analysis::Work& work : pending.batch->work) ++outcomes[work.analyzer].retry_count;
    }
    if (telemetry::Metrics* metrics = endpoints[endpoint].metrics; metrics != nullptr) {
      metrics->orchestrator().batch_retries_total.Add({endpoints[endpoint].name, telemetry::ReasonLabel(failure)});
    }
    timer.RunAt(Clock::now() + *delay, [self = shared_from_this(), endpoint, pending = std::move(pending)]() mutable {
      self->Send(endpoint, std::move(pending));
    });
    return true;
  }

  void Finish(int endpoint, const std::vector<std::string>& analyzers) {
    {
      MutexLock lock(mutex);
      --queues[endpoint].in_flight;
      for (const std::string& name : analyzers) --left[name];
    }
    TestPause("BatchDispatcher::Finish");
    changed.NotifyAll();
    Pump(endpoint);
    MutexLock lock(wake_mutex);
    if (wake) wake();
  }

  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return std::all_of(queues.begin(), queues.end(),
                       [](const Queue& queue) { return queue.waiting.empty() && queue.in_flight == 0; });
  }
};

BatchDispatcher::BatchDispatcher(std::vector<DispatchEndpoint> endpoints, concurrency::Timer& timer,
                                 const CancelToken& cancel)
    : core_(std::make_shared<Core>(std::move(endpoints), timer, cancel)) {}

BatchDispatcher::~BatchDispatcher() = default;

absl::Status BatchDispatcher::Submit(int endpoint, std::shared_ptr<const analysis::Batch> batch) {
  Core& core = *core_;
  const size_t room = std::max(1, core.endpoints[endpoint].max_in_flight_batches);
  while (true) {
    RETURN_IF_ERROR(core.cancel.status());
    MutexLock lock(core.mutex);
    if (core.queues[endpoint].waiting.size() < room) {
      std::vector<std::string> analyzers = AnalyzersOf(*batch);
      for (const std::string& name : analyzers) {
        core.outcomes[name];
        ++core.left[name];
      }
      core.queues[endpoint].waiting.push_back({std::move(batch), {}, std::move(analyzers)});
      break;
    }
    core.changed.WaitUntil(core.mutex, Clock::now() + kCancelPoll);
  }
  core.Pump(endpoint);
  return absl::OkStatus();
}

absl::StatusOr<bool> BatchDispatcher::WaitIdle(absl::Duration timeout) {
  Core& core = *core_;
  const Clock::time_point end = Clock::now() + absl::ToChronoNanoseconds(timeout);
  while (true) {
    RETURN_IF_ERROR(core.cancel.status());
    MutexLock lock(core.mutex);
    if (core.Idle()) return true;
    if (Clock::now() >= end) return false;
    core.changed.WaitUntil(core.mutex, std::min(end, Clock::now() + kCancelPoll));
  }
}

bool BatchDispatcher::failed(const std::string& analyzer) const {
  MutexLock lock(core_->mutex);
  const auto it = core_->outcomes.find(analyzer);
  return it != core_->outcomes.end() && !it->second.status.ok();
}

std::map<std::string, int64_t> BatchDispatcher::frames_done() const {
  MutexLock lock(core_->mutex);
  std::map<std::string, int64_t> done;
  for (const auto& [name, outcome] : core_->outcomes) done[name] = outcome.frames_done;
  return done;
}

int64_t BatchDispatcher::sent_bytes() const {
  MutexLock lock(core_->mutex);
  return core_->sent_bytes;
}

void BatchDispatcher::OnComplete(std::function<void()> wake) {
  MutexLock lock(core_->wake_mutex);
  core_->wake = std::move(wake);
}

std::optional<FrameOutcome> BatchDispatcher::TakeComplete(const std::string& analyzer) {
  {
    MutexLock lock(core_->mutex);
    if (const auto left = core_->left.find(analyzer); left != core_->left.end() && left->second > 0)
      return std::nullopt;
  }
  return Take(analyzer);
}

FrameOutcome BatchDispatcher::Take(const std::string& analyzer) {
  FrameOutcome outcome;
  {
    MutexLock lock(core_->mutex);
    if (const auto it = core_->outcomes.find(analyzer); it != core_->outcomes.end()) {
      // The counts stay, for frames_done().
      std::vector<analyzer::v1::FrameResult> results = std::exchange(it->second.results, {});
      outcome = it->second;
      outcome.results = std::move(results);
    }
  }
  std::sort(outcome.results.begin(), outcome.results.end(),
            [](const auto& a, const auto& b) { return a.index() < b.index(); });
  return outcome;
}

}  // namespace reelsight::orchestrator
