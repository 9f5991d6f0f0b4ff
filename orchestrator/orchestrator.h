// SPDX-License-Identifier: Apache-2.0
//
// Runs analyses: admits them, opens the source, decodes once, fans frames out to analyzers, merges what they say. It
// knows no analyzer by name, no transport and no flag; the gRPC service, the embedded server and the command line are
// thin shells around it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/fanout/endpoint.h"
#include "orchestrator/run_observer.h"
#include "reelsight/config/v1/config.pb.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/base/cancel_token.h"

namespace reelsight::telemetry {
class Metrics;
}

namespace reelsight::orchestrator {

class UploadStore;

// Thread-safe.
class Orchestrator {
 public:
  virtual ~Orchestrator() = default;

  // `metrics` may be null; else it must outlive the orchestrator. INVALID_ARGUMENT if the configuration is not usable.
  static absl::StatusOr<std::unique_ptr<Orchestrator>> Create(const config::v1::OrchestratorConfig& config,
                                                              std::vector<Endpoint> endpoints,
                                                              telemetry::Metrics* metrics = nullptr);

  // Starts a run, or joins the one with the same request_id. `done` runs exactly once, on any thread, possibly before
  // the call returns, and must not block. `observer` may be null and must live until then. A run that all its callers
  // have cancelled stops. Errors: see VideoAnalysisService.Analyze.
  virtual void StartRun(std::shared_ptr<const v1::AnalyzeRequest> request, RunObserver* observer,
                        const CancelToken& cancel, DoneCallback done) = 0;

  // StartRun, and waits for its end.
  absl::StatusOr<v1::AnalyzeResponse> AnalyzeAndWait(const v1::AnalyzeRequest& request, RunObserver* observer,
                                                     const CancelToken& cancel);

  // What the services offer, as they last said, some seconds ago at most; one that does not answer is listed as not
  // available where it is known from before. Waits for no service, but before WhenKnown.
  virtual v1::ListAnalyzersResponse ListAnalyzers() = 0;
  // Runs `done`, which must not block, once each service has answered for the first time or has failed to, within 3 s
  // of the start: at once, or on a thread of the orchestrator's.
  virtual void WhenKnown(std::function<void()> done) = 0;

  // OK if at least one analyzer can be used now, else why not. Waits for no service, but before WhenKnown.
  virtual absl::Status Health() = 0;

  // The uploads that `upload_id` names. Owned by the orchestrator.
  virtual UploadStore& uploads() = 0;

  // Refuses new runs with UNAVAILABLE, SERVER_DRAINING. Runs under way go on.
  virtual void BeginDrain() = 0;
  // Runs that wait or are under way.
  virtual int active_runs() const = 0;
};

}  // namespace reelsight::orchestrator
