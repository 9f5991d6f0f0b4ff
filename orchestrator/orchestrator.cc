// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/orchestrator.h"

#include <algorithm>
#include <atomic>
#include <list>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/analyzer_directory.h"
#include "orchestrator/orchestrator_config.h"
#include "orchestrator/plan/request_validator.h"
#include "orchestrator/run_registry.h"
#include "orchestrator/source/source_opener.h"
#include "orchestrator/source/upload_store.h"
#include "orchestrator/video_run.h"
#include "shared/base/out_of_memory.h"
#include "shared/base/status.h"
#include "shared/base/stopwatch.h"
#include "shared/concurrency/fair_executor.h"
#include "shared/concurrency/timer.h"
#include "shared/telemetry/log.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::orchestrator {
namespace {

using Clock = std::chrono::steady_clock;

// What a caller should wait before it tries a full server again.
constexpr absl::Duration kBusyRetryDelay = absl::Seconds(2);

}  // namespace

class OrchestratorImpl final : public Orchestrator {
 public:
  OrchestratorImpl(const config::v1::OrchestratorConfig& config, std::vector<Endpoint> endpoints,
                   std::unique_ptr<UploadStore> uploads, std::unique_ptr<SourceOpener> opener,
                   telemetry::Metrics* metrics)
      : config_(config),
        endpoints_(std::move(endpoints)),
        metrics_(metrics),
        uploads_(std::move(uploads)),
        opener_(std::move(opener)),
        pool_(analysis::FramePool::Create(config.frame_budget_bytes(), PoolGauge(metrics))),
        directory_(endpoints_, {}, metrics),
        registry_({.retention = absl::Seconds(config.retention_seconds())}, concurrency::ProcessTimer()),
        runners_(concurrency::FairExecutor::Options{
            .thread_count = config.max_concurrent_runs(), .max_queued = 1 << 20, .name = "run"}) {
    if (metrics_ != nullptr) metrics_->orchestrator().frame_pool_budget_bytes.Set({}, pool_->budget_bytes());
  }

  ~OrchestratorImpl() override {
    BeginDrain();
    // A picture may still wait somewhere for a retry; the metrics need not wait for it.
    pool_->StopTelling();
  }

  void Start(std::shared_ptr<const v1::AnalyzeRequest> request, RunObserver* observer, const CancelToken& cancel,
             DoneCallback done) override {
    if (absl::Status valid = ValidateRequest(*request); !valid.ok()) return done(valid);
    const bool has_id = !request->request_id().empty();
    while (true) {
      absl::StatusOr<RunRegistry::Found> found = registry_.FindOrCreate(request, Clock::now());
      if (!found.ok()) return done(found.status());
      const std::shared_ptr<Run> run = std::move(found->run);
      if (found->is_new) {
        run->SetDeadline(Clock::now() + absl::ToChronoNanoseconds(absl::Seconds(config_.max_run_seconds())));
        // A run of one caller ends in time for that caller, and its analyzers hear of that; one with a request_id may
        // have others, with more time.
        if (!has_id) run->SetDeadline(cancel.deadline());
      }
      // Refused where others with the same id came and left in the meantime; what they left is not found again.
      if (!run->Attach(observer, cancel, done)) {
        if (!has_id) return done(run->cancel().status());
        continue;
      }
      if (found->is_new) Admit(run);
      return;
    }
  }

  v1::ListAnalyzersResponse ListAnalyzers() override { return directory_.ListAnalyzers(); }
  void WhenKnown(std::function<void()> done) override { directory_.WhenKnown(std::move(done)); }
  absl::Status Health() override { return directory_.Health(); }
  UploadStore& uploads() override { return *uploads_; }
  void BeginDrain() override { draining_ = true; }
  int active_runs() const override {
    MutexLock lock(mutex_);
    return static_cast<int>(waiting_.size()) + running_;
  }

 private:
  // A run that waits for a runner.
  struct Waiting {
    std::shared_ptr<Run> run;
    Stopwatch since_admission;
    // Gives its place free when its callers have gone.
    std::unique_ptr<CancelToken::Callback> link;
    // The place in the queue that its callers know.
    int told_place = 0;
  };

  static std::function<void(int64_t)> PoolGauge(telemetry::Metrics* metrics) {
    if (metrics == nullptr) return {};
    return [metrics](int64_t used) { metrics->orchestrator().frame_pool_used_bytes.Set({}, used); };
  }

  // Starts the run, lets it wait for a runner, or refuses it.
  void Admit(const std::shared_ptr<Run>& run);
  // Takes the run out if it still waits.
  void Drop(const std::shared_ptr<Run>& run);
  // Uses a runner that has become free.
  void Next();
  // Tells those whose place in the queue has changed.
  void TellPlaces() ABSL_EXCLUSIVE_LOCKS_REQUIRED(places_mutex_);
  void Submit(std::shared_ptr<Run> run, Stopwatch since_admission);
  void CountRun(const absl::Status& status, Stopwatch since_admission) const;

  void Execute(const std::shared_ptr<Run>& run, Stopwatch since_admission);
  void UpdateGauges() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const config::v1::OrchestratorConfig config_;
  const std::vector<Endpoint> endpoints_;
  telemetry::Metrics* const metrics_;
  const std::unique_ptr<UploadStore> uploads_;
  const std::unique_ptr<SourceOpener> opener_;
  const std::shared_ptr<analysis::FramePool> pool_;
  AnalyzerDirectory directory_;
  RunRegistry registry_;
  std::atomic<bool> draining_ = false;
  // Held while places are told and while a run leaves the queue to start, so that none hears of its place too late.
  // Taken before mutex_.
  Mutex places_mutex_;
  mutable Mutex mutex_;
  // Oldest first.
  std::list<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  // Runners taken.
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  // Last, so that its threads are gone before anything they use.
  concurrency::FairExecutor runners_;
};

void OrchestratorImpl::Admit(const std::shared_ptr<Run>& run) {
  const Stopwatch since_admission;
  absl::Status refused;
  bool starts = false;
  {
    MutexLock lock(mutex_);
    if (draining_) {
      refused = WithRetryDelay(MakeError(absl::StatusCode::kUnavailable, Reason::kServerDraining,
                                         "the server is stopping; try another replica"),
                               absl::Milliseconds(100));
    } else if (running_ < config_.max_concurrent_runs()) {
      ++running_;
      starts = true;
    } else if (static_cast<int>(waiting_.size()) < config_.max_queued_runs()) {
      waiting_.push_back({run, since_admission, nullptr, 0});
    } else {
      refused = WithRetryDelay(MakeError(absl::StatusCode::kResourceExhausted, Reason::kServerBusy,
                                         absl::StrCat("the server works on ", running_, " videos and ", waiting_.size(),
                                                      " wait; try again later")),
                               kBusyRetryDelay);
    }
    UpdateGauges();
  }
  if (!refused.ok()) return run->Finish(refused);
  if (starts) return Submit(run, since_admission);
  auto link = std::make_unique<CancelToken::Callback>(run->cancel(), [this, weak = std::weak_ptr<Run>(run)] {
    if (const std::shared_ptr<Run> gone = weak.lock(); gone != nullptr) Drop(gone);
  });
  {
    MutexLock lock(mutex_);
    for (Waiting& waiting : waiting_) {
      if (waiting.run == run) waiting.link.swap(link);
    }
  }
  MutexLock places_lock(places_mutex_);
  TellPlaces();
}

void OrchestratorImpl::TellPlaces() {
  std::vector<std::pair<std::shared_ptr<Run>, int>> changed;
  {
    MutexLock lock(mutex_);
    int place = 0;
    for (Waiting& waiting : waiting_) {
      ++place;
      if (std::exchange(waiting.told_place, place) != place) changed.emplace_back(waiting.run, place);
    }
  }
  for (const auto& [run, place] : changed) run->SendPlace(place);
}

void OrchestratorImpl::Drop(const std::shared_ptr<Run>& run) {
  std::list<Waiting> dropped;
  {
    MutexLock lock(mutex_);
    const auto it =
        std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& waiting) { return waiting.run == run; });
    if (it == waiting_.end()) return;
    dropped.splice(dropped.begin(), waiting_, it);
    UpdateGauges();
  }
  const absl::Status status = run->cancel().status();
  CountRun(status, dropped.front().since_admission);
  run->Finish(status);
  MutexLock places_lock(places_mutex_);
  TellPlaces();
}

void OrchestratorImpl::Next() {
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
    if (!next.empty()) next.front().run->SendPlace(0);
    TellPlaces();
  }
  if (!next.empty()) Submit(std::move(next.front().run), next.front().since_admission);
}

void OrchestratorImpl::Submit(std::shared_ptr<Run> run, Stopwatch since_admission) {
  // Never refused: there are no more than max_concurrent_runs.
  (void)runners_.Submit("run", [this, run = std::move(run), since_admission] { Execute(run, since_admission); });
}

void OrchestratorImpl::CountRun(const absl::Status& status, Stopwatch since_admission) const {
  if (metrics_ == nullptr) return;
  metrics_->orchestrator().runs_total.Add({telemetry::CodeLabel(status.code())});
  metrics_->orchestrator().run_duration_seconds.Observe({}, since_admission.elapsed_seconds());
}

void OrchestratorImpl::Execute(const std::shared_ptr<Run>& run, Stopwatch since_admission) {
  if (metrics_ != nullptr) {
    metrics_->orchestrator().run_queue_duration_seconds.Observe({}, since_admission.elapsed_seconds());
  }
  absl::StatusOr<ResponsePtr> response = OrOutOfMemory("analysing the video", [&] {
    return VideoRun({config_, endpoints_, directory_, *opener_, *pool_, metrics_}, *run, since_admission)
        .AnalyzeVideo();
  });
  // Before the caller hears of it: who then asks how many runs there are must not find this one.
  Next();
  const absl::Status status = response.status();
  CountRun(status, since_admission);
  if (status.ok()) {
    telemetry::Log(telemetry::LogLevel::kInfo, run->id(), "run finished",
                   {{"seconds", since_admission.elapsed_seconds()}, {"frames", (*response)->stats().frames_decoded()}});
  } else {
    telemetry::LogStatus(telemetry::LogLevel::kWarn, run->id(), "run failed", status);
  }
  run->Finish(std::move(response));
  registry_.Sweep(Clock::now());
}

void OrchestratorImpl::UpdateGauges() const {
  if (metrics_ == nullptr) return;
  metrics_->orchestrator().runs_queued.Set({}, static_cast<double>(waiting_.size()));
  metrics_->orchestrator().runs_in_flight.Set({}, running_);
}

absl::StatusOr<std::unique_ptr<Orchestrator>> Orchestrator::Create(const config::v1::OrchestratorConfig& config,
                                                                   std::vector<Endpoint> endpoints,
                                                                   telemetry::Metrics* metrics) {
  config::v1::OrchestratorConfig complete = config;
  ApplyDefaults(&complete);
  RETURN_IF_ERROR(CheckOrchestratorConfig(complete));
  if (metrics != nullptr) {
    for (const Endpoint& endpoint : endpoints) metrics->DeclareService(endpoint.name);
  }
  ASSIGN_OR_RETURN(
      std::unique_ptr<UploadStore> uploads,
      UploadStore::Create({.directory = complete.uploads().directory(),
                           .quota_bytes = complete.uploads().quota_bytes(),
                           .max_upload_bytes = complete.limits().max_source_bytes(),
                           .expiry = absl::Seconds(complete.uploads().expiry_seconds()),
                           .sender = {.min_bytes_per_second = complete.uploads().min_bytes_per_second(),
                                      .window = absl::Seconds(complete.uploads().idle_timeout_seconds())}}));
  ASSIGN_OR_RETURN(std::unique_ptr<SourceOpener> opener,
                   SourceOpener::Create(complete.sources(), complete.limits(), uploads.get()));
  return std::make_unique<OrchestratorImpl>(complete, std::move(endpoints), std::move(uploads), std::move(opener),
                                            metrics);
}

absl::StatusOr<v1::AnalyzeResponse> Orchestrator::Analyze(const v1::AnalyzeRequest& request, RunObserver* observer,
                                                          const CancelToken& cancel) {
  struct Wait {
    Mutex mutex;
    CondVar changed;
    std::optional<absl::StatusOr<ResponsePtr>> result ABSL_GUARDED_BY(mutex);
  };
  // Shared, because `done` may still be leaving its function when the waiter has gone.
  auto wait = std::make_shared<Wait>();
  Start(std::make_shared<v1::AnalyzeRequest>(request), observer, cancel, [wait](absl::StatusOr<ResponsePtr> result) {
    MutexLock lock(wait->mutex);
    wait->result = std::move(result);
    wait->changed.NotifyAll();
  });
  MutexLock lock(wait->mutex);
  while (!wait->result.has_value()) wait->changed.Wait(wait->mutex);
  RETURN_IF_ERROR(wait->result->status());
  return ***wait->result;
}

}  // namespace reelsight::orchestrator
