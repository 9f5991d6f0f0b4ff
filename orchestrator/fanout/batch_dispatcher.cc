// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/batch_dispatcher.h"

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"
#include "shared/base/test_pause.h"

namespace reelsight::orchestrator {
namespace {

using Clock = std::chrono::steady_clock;

// Longest time until a waiter notices a cancelled token.
constexpr std::chrono::milliseconds kCancelPoll(50);

std::vector<std::string> AnalyzersOf(const analysis::Batch& batch) {
  std::vector<std::string> names;
  for (const analysis::AnalyzerWork& work : batch.work) names.push_back(work.analyzer);
  return names;
}

// The batch with the work of `analyzers` alone.
std::shared_ptr<const analysis::Batch> ReducedTo(const std::set<std::string>& analyzers,
                                                 std::shared_ptr<const analysis::Batch> batch) {
  if (analyzers.size() == batch->work.size()) return batch;
  auto reduced = std::make_shared<analysis::Batch>(*batch);
  std::erase_if(reduced->work, [&](const analysis::AnalyzerWork& work) { return !analyzers.contains(work.analyzer); });
  return reduced;
}

}  // namespace

// Outlives the dispatcher for as long as an attempt is under way: every callback holds a reference. See Note [The last
// touch] in test_pause.h.
//
// Lock order: `mutex`, then those of tokens, which are made and asked under it, but not cancelled. `mutex` and
// `wake_mutex` are never held together. No service and no waiter is called under `mutex`.
struct BatchDispatcher::Core : std::enable_shared_from_this<BatchDispatcher::Core> {
  Core(std::vector<ServiceCall> services_in, std::shared_ptr<const AttemptLog> log_in, const CancelToken& cancel_in)
      : services(std::move(services_in)), log(std::move(log_in)), cancel(cancel_in), queues(services.size()) {}

  // A batch that waits or is under way.
  struct Pending {
    // Constant once it is queued. Whose batch it was when it was submitted; some may have been given up since.
    std::vector<std::string> analyzers;
    // Ends the batch alone.
    CancelToken token;

    // Used by one thread at a time: who submits it, who sends it, who brings its answer.
    std::shared_ptr<const analysis::Batch> batch;
    Clock::time_point start;
  };
  using PendingPtr = std::shared_ptr<Pending>;

  struct Queue {
    std::deque<PendingPtr> waiting;
    std::set<PendingPtr> under_way;
  };

  // Starts what may start at `service`.
  void StartWaiting(int service) {
    while (true) {
      PendingPtr next;
      {
        MutexLock lock(mutex);
        Queue& queue = queues[service];
        const auto room = static_cast<size_t>(services[service].max_in_flight_batches);
        if (queue.waiting.empty() || queue.under_way.size() >= room) return;
        next = std::move(queue.waiting.front());
        queue.waiting.pop_front();
        queue.under_way.insert(next);
      }
      changed.NotifyAll();
      SendBatch(service, next);
    }
  }

  // REQUIRES: `pending` counts as under way.
  void SendBatch(int service, const PendingPtr& pending) {
    std::set<std::string> wanted;
    {
      MutexLock lock(mutex);
      wanted = WantedAnalyzers(*pending);
    }
    if (wanted.empty() || cancel.cancelled()) return EndBatch(service, pending);
    pending->batch = ReducedTo(wanted, std::move(pending->batch));
    pending->start = Clock::now();
    services[service].client->AnalyzeFrames(
        pending->batch, pending->token,
        [self = shared_from_this(), service, pending](absl::StatusOr<analyzer::v1::AnalyzeFramesResponse> response) {
          self->OnAnswer(service, pending, std::move(response));
        });
  }

  bool is_failed(const std::string& analyzer) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const auto it = outcomes.find(analyzer);
    return it != outcomes.end() && !it->second.status.ok();
  }

  // The analyzers of the batch that were not given up; none: nobody wants its answer any more.
  std::set<std::string> WantedAnalyzers(const Pending& pending) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::set<std::string> wanted;
    for (const std::string& name : pending.analyzers) {
      if (!is_failed(name)) wanted.insert(name);
    }
    return wanted;
  }

  void OnAnswer(int service, const PendingPtr& pending, absl::StatusOr<analyzer::v1::AnalyzeFramesResponse> response) {
    const absl::Duration took = absl::FromChrono(Clock::now() - pending->start);
    const std::vector<analysis::AnalyzerWork>& work = pending->batch->work;
    if (response.ok() && static_cast<size_t>(response->results_size()) != work.size()) {
      response = MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                           absl::StrCat("service ", services[service].name, " answered ", response->results_size(),
                                        " analyzers instead of ", work.size()));
    }
    std::vector<CancelToken> useless;
    {
      MutexLock lock(mutex);
      for (size_t i = 0; i < work.size(); ++i) {
        FrameOutcome& outcome = outcomes[work[i].analyzer];
        ++outcome.batch_count;
        outcome.batch_time += took;
        if (!response.ok()) {
          GiveUp(outcome, response.status());
        } else {
          AcceptResult(outcome, work[i], *response->mutable_results(static_cast<int>(i)));
        }
      }
      useless = TokensOfUselessBatches();
    }
    for (const CancelToken& token : useless) token.Cancel(absl::CancelledError("its analyzers were given up"));
    EndBatch(service, pending);
  }

  void AcceptResult(FrameOutcome& outcome, const analysis::AnalyzerWork& work,
                    analyzer::v1::AnalyzerBatchResult& result) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    outcome.cache_hits += result.cache_hits();
    outcome.cache_misses += result.cache_misses();
    const absl::Status failure = analysis::FromFailure(result.failure());
    if (!failure.ok()) return GiveUp(outcome, failure);
    bool matches = static_cast<size_t>(result.results_size()) == work.target_indexes.size();
    for (int i = 0; matches && i < result.results_size(); ++i) {
      matches = result.results(i).index() == work.target_indexes[i];
    }
    if (!matches || result.analyzer() != work.analyzer) {
      return GiveUp(outcome, MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                                       absl::StrCat(work.analyzer, " answered other frames than it was asked for")));
    }
    if (!outcome.status.ok()) return;
    outcome.frames_done += result.results_size();
    for (analyzer::v1::FrameResult& frame : *result.mutable_results()) outcome.results.push_back(std::move(frame));
  }

  // The first failure stays.
  static void GiveUp(FrameOutcome& outcome, absl::Status status) {
    if (!outcome.status.ok()) return;
    outcome.status = std::move(status);
    outcome.results.clear();
  }

  // Those of batches under way whose answer nobody wants any more.
  std::vector<CancelToken> TokensOfUselessBatches() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::vector<CancelToken> tokens;
    for (const Queue& queue : queues) {
      for (const PendingPtr& pending : queue.under_way) {
        if (WantedAnalyzers(*pending).empty()) tokens.push_back(pending->token);
      }
    }
    return tokens;
  }

  void EndBatch(int service, const PendingPtr& pending) {
    pending->batch.reset();
    {
      MutexLock lock(mutex);
      queues[service].under_way.erase(pending);
      for (const std::string& name : pending->analyzers) --left[name];
    }
    TestPause("BatchDispatcher::EndBatch");
    changed.NotifyAll();
    StartWaiting(service);
    MutexLock lock(wake_mutex);
    if (wake) wake();
  }

  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return std::all_of(queues.begin(), queues.end(),
                       [](const Queue& queue) { return queue.waiting.empty() && queue.under_way.empty(); });
  }

  // Constant after construction; the log and the token synchronise themselves.
  const std::vector<ServiceCall> services;
  const std::shared_ptr<const AttemptLog> log;
  const CancelToken cancel;

  mutable Mutex mutex;
  CondVar changed;
  // Guarded by mutex.
  std::vector<Queue> queues ABSL_GUARDED_BY(mutex);
  std::map<std::string, FrameOutcome> outcomes ABSL_GUARDED_BY(mutex);
  // Batches of each analyzer that wait or are under way.
  std::map<std::string, int64_t> left ABSL_GUARDED_BY(mutex);

  // Held while `wake` runs, so that nobody is called once it is replaced.
  Mutex wake_mutex;
  // Guarded by wake_mutex.
  std::function<void()> wake ABSL_GUARDED_BY(wake_mutex);
};

BatchDispatcher::BatchDispatcher(std::vector<ServiceCall> services, std::shared_ptr<const AttemptLog> log,
                                 const CancelToken& cancel)
    : core_(std::make_shared<Core>(std::move(services), std::move(log), cancel)) {}

BatchDispatcher::~BatchDispatcher() = default;

absl::Status BatchDispatcher::Submit(int service, std::shared_ptr<const analysis::Batch> batch) {
  Core& core = *core_;
  const auto room = static_cast<size_t>(core.services[service].max_in_flight_batches);
  while (true) {
    RETURN_IF_ERROR(core.cancel.status());
    MutexLock lock(core.mutex);
    if (core.queues[service].waiting.size() < room) {
      std::vector<std::string> analyzers = AnalyzersOf(*batch);
      for (const std::string& name : analyzers) {
        core.outcomes[name];
        ++core.left[name];
      }
      core.queues[service].waiting.push_back(std::make_shared<Core::Pending>(
          Core::Pending{std::move(analyzers), CancelToken::ChildOf(core.cancel), std::move(batch), {}}));
      break;
    }
    TestPause("BatchDispatcher::Submit");
    core.changed.WaitUntil(core.mutex, Clock::now() + kCancelPoll);
  }
  core.StartWaiting(service);
  return absl::OkStatus();
}

absl::StatusOr<bool> BatchDispatcher::WaitIdle(absl::Duration timeout) {
  Core& core = *core_;
  const Clock::time_point end = Clock::now() + absl::ToChronoNanoseconds(timeout);
  while (true) {
    RETURN_IF_ERROR(core.cancel.status());
    MutexLock lock(core.mutex);
    if (core.IsIdle()) return true;
    if (Clock::now() >= end) return false;
    core.changed.WaitUntil(core.mutex, std::min(end, Clock::now() + kCancelPoll));
  }
}

bool BatchDispatcher::failed(const std::string& analyzer) const {
  MutexLock lock(core_->mutex);
  return core_->is_failed(analyzer);
}

std::map<std::string, int64_t> BatchDispatcher::frames_done() const {
  MutexLock lock(core_->mutex);
  std::map<std::string, int64_t> done;
  for (const auto& [name, outcome] : core_->outcomes) done[name] = outcome.frames_done;
  return done;
}

void BatchDispatcher::OnComplete(std::function<void()> wake) {
  MutexLock lock(core_->wake_mutex);
  core_->wake = std::move(wake);
}

std::optional<FrameOutcome> BatchDispatcher::TakeCompleteOutcome(const std::string& analyzer) {
  {
    MutexLock lock(core_->mutex);
    if (const auto left = core_->left.find(analyzer); left != core_->left.end() && left->second > 0)
      return std::nullopt;
  }
  return TakeOutcome(analyzer);
}

FrameOutcome BatchDispatcher::TakeOutcome(const std::string& analyzer) {
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
  outcome.retry_count = core_->log->retries(analyzer);
  std::sort(outcome.results.begin(), outcome.results.end(),
            [](const auto& a, const auto& b) { return a.index() < b.index(); });
  return outcome;
}

}  // namespace reelsight::orchestrator
