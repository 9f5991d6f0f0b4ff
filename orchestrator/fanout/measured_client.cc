// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/measured_client.h"

#include <chrono>
#include <utility>

#include "absl/time/time.h"
#include "shared/telemetry/metrics.h"

namespace reelsight::orchestrator {
namespace {

using Clock = std::chrono::steady_clock;

int64_t PixelBytes(const analysis::Batch& batch) {
  int64_t bytes = 0;
  for (const analysis::Frame& frame : batch.frames) bytes += static_cast<int64_t>(frame.image->bytes().size());
  return bytes;
}

}  // namespace

MeasuredClient::MeasuredClient(std::shared_ptr<analysis::AnalyzerClient> next, std::string service,
                               telemetry::Metrics* metrics, std::shared_ptr<AttemptLog> log)
    : next_(std::move(next)), service_(std::move(service)), metrics_(metrics), log_(std::move(log)) {}

void MeasuredClient::Describe(const CancelToken& cancel, DescribeCallback done) {
  next_->Describe(cancel, std::move(done));
}

void MeasuredClient::AnalyzeFrames(std::shared_ptr<const analysis::Batch> batch, const CancelToken& cancel,
                                   BatchCallback done) {
  const int64_t bytes = remote() ? PixelBytes(*batch) : 0;
  log_->AddSent(bytes);
  if (metrics_ == nullptr) return next_->AnalyzeFrames(std::move(batch), cancel, std::move(done));
  telemetry::OrchestratorMetrics& metrics = metrics_->orchestrator();
  metrics.sent_bytes_total.Add({service_}, static_cast<double>(bytes));
  metrics.batches_in_flight.Add({service_}, 1);
  next_->AnalyzeFrames(std::move(batch), cancel,
                       [&metrics, service = service_, start = Clock::now(),
                        done = std::move(done)](absl::StatusOr<analyzer::v1::AnalyzeFramesResponse> response) {
                         metrics.batches_in_flight.Add({service}, -1);
                         const absl::Duration took = absl::FromChrono(Clock::now() - start);
                         metrics.batch_duration_seconds.Observe({service}, absl::ToDoubleSeconds(took));
                         metrics.batch_attempts_total.Add({service, telemetry::CodeLabel(response.status().code())});
                         done(std::move(response));
                       });
}

void MeasuredClient::Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest> request, const CancelToken& cancel,
                               SummarizeCallback done) {
  next_->Summarize(std::move(request), cancel, std::move(done));
}

}  // namespace reelsight::orchestrator
