// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/orchestrator.h"

#include <optional>
#include <utility>

#include "orchestrator/analyzer_directory.h"
#include "orchestrator/orchestrator_config.h"
#include "orchestrator/plan/request_validator.h"
#include "orchestrator/run_queue.h"
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
        queue_(
            {.max_running = config.max_concurrent_runs(), .max_waiting = config.max_queued_runs()},
            [this](const AdmittedRun& admitted) { SubmitRun(admitted); },
            [this](const AdmittedRun& admitted) { FinishRun(admitted, admitted.run->cancel().status()); }, metrics),
        runners_(concurrency::FairExecutor::Options{
            .thread_count = config.max_concurrent_runs(), .max_queued = 1 << 20, .name = "run"}) {
    if (metrics_ != nullptr) metrics_->orchestrator().frame_pool_budget_bytes.Set({}, pool_->budget_bytes());
  }

  ~OrchestratorImpl() override {
    BeginDrain();
    // A picture may still wait somewhere for a retry; the metrics need not wait for it.
    pool_->StopTelling();
  }

  void StartRun(std::shared_ptr<const v1::AnalyzeRequest> request, RunObserver* observer, const CancelToken& cancel,
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
      if (!found->is_new) return;
      if (absl::Status admitted = queue_.Admit(run); !admitted.ok()) run->Finish(admitted);
      return;
    }
  }

  v1::ListAnalyzersResponse ListAnalyzers() override { return directory_.ListAnalyzers(); }
  void WhenKnown(std::function<void()> done) override { directory_.WhenKnown(std::move(done)); }
  absl::Status Health() override { return directory_.Health(); }
  UploadStore& uploads() override { return *uploads_; }
  void BeginDrain() override { queue_.BeginDrain(); }
  int active_runs() const override { return queue_.active_runs(); }

 private:
  static std::function<void(int64_t)> PoolGauge(telemetry::Metrics* metrics) {
    if (metrics == nullptr) return {};
    return [metrics](int64_t used) { metrics->orchestrator().frame_pool_used_bytes.Set({}, used); };
  }

  // Has a runner work on the run.
  void SubmitRun(const AdmittedRun& admitted);
  void ExecuteRun(const AdmittedRun& admitted);
  // Counts the run, and ends it for its callers.
  void FinishRun(const AdmittedRun& admitted, absl::StatusOr<ResponsePtr> response);

  // Constant after construction.
  const config::v1::OrchestratorConfig config_;
  const std::vector<Endpoint> endpoints_;
  telemetry::Metrics* const metrics_;

  // Thread-safe by themselves.
  const std::unique_ptr<UploadStore> uploads_;
  const std::unique_ptr<SourceOpener> opener_;
  const std::shared_ptr<analysis::FramePool> pool_;
  AnalyzerDirectory directory_;
  RunRegistry registry_;
  RunQueue queue_;
  // Last, so that its threads are gone before anything they use.
  concurrency::FairExecutor runners_;
};

void OrchestratorImpl::SubmitRun(const AdmittedRun& admitted) {
  // Never refused: there are no more than max_concurrent_runs.
  (void)runners_.Submit("run", [this, admitted] { ExecuteRun(admitted); });
}

void OrchestratorImpl::ExecuteRun(const AdmittedRun& admitted) {
  if (metrics_ != nullptr) {
    metrics_->orchestrator().run_queue_duration_seconds.Observe({}, admitted.since_admission.elapsed_seconds());
  }
  absl::StatusOr<ResponsePtr> response = OrOutOfMemory("analysing the video", [&] {
    return VideoRun({config_, endpoints_, directory_, *opener_, *pool_, metrics_}, *admitted.run,
                    admitted.since_admission)
        .AnalyzeVideo();
  });
  // Before the caller hears of it: who then asks how many runs there are must not find this one.
  queue_.StartNext();
  if (response.ok()) {
    telemetry::Log(
        telemetry::LogLevel::kInfo, admitted.run->id(), "run finished",
        {{"seconds", admitted.since_admission.elapsed_seconds()}, {"frames", (*response)->stats().frames_decoded()}});
  } else {
    telemetry::LogStatus(telemetry::LogLevel::kWarn, admitted.run->id(), "run failed", response.status());
  }
  FinishRun(admitted, std::move(response));
  registry_.Sweep(Clock::now());
}

void OrchestratorImpl::FinishRun(const AdmittedRun& admitted, absl::StatusOr<ResponsePtr> response) {
  if (metrics_ != nullptr) {
    metrics_->orchestrator().runs_total.Add({telemetry::CodeLabel(response.status().code())});
    metrics_->orchestrator().run_duration_seconds.Observe({}, admitted.since_admission.elapsed_seconds());
  }
  admitted.run->Finish(std::move(response));
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

absl::StatusOr<v1::AnalyzeResponse> Orchestrator::AnalyzeAndWait(const v1::AnalyzeRequest& request,
                                                                 RunObserver* observer, const CancelToken& cancel) {
  struct Wait {
    Mutex mutex;
    CondVar changed;
    std::optional<absl::StatusOr<ResponsePtr>> result ABSL_GUARDED_BY(mutex);
  };
  // Shared, because `done` may still be leaving its function when the waiter has gone.
  auto wait = std::make_shared<Wait>();
  StartRun(std::make_shared<v1::AnalyzeRequest>(request), observer, cancel, [wait](absl::StatusOr<ResponsePtr> result) {
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
