// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <exception>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/rpc/analyzer_service.h"

namespace reelsight::rpc {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class MeasuredAnalyzer final : public analysis::Analyzer {
 public:
  MeasuredAnalyzer(std::unique_ptr<analysis::Analyzer> analyzer, telemetry::Metrics& metrics)
      : analyzer_(std::move(analyzer)), name_(analyzer_->Describe().name()), metrics_(metrics) {
    metrics.DeclareAnalyzer(name_);
  }

  analyzer::v1::AnalyzerDescription Describe() const override { return analyzer_->Describe(); }

  absl::StatusOr<std::vector<std::string>> AnalyzeFrames(const analysis::BatchView& view,
                                                         const CancelToken& cancel) override {
    const Clock::time_point start = Clock::now();
    auto payloads = Guard<std::vector<std::string>>([&] { return analyzer_->AnalyzeFrames(view, cancel); });
    Count(payloads.status(), cancel);
    metrics_.analyzers().analyze_duration_seconds.Observe({name_}, SecondsSince(start));
    if (payloads.ok()) {
      metrics_.analyzers().frames_analyzed_total.Add({name_}, static_cast<double>(payloads->size()));
    }
    return payloads;
  }

  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) override {
    const Clock::time_point start = Clock::now();
    auto summary = Guard<analyzer::v1::SummarizeResponse>([&] { return analyzer_->Summarize(request, cancel); });
    Count(summary.status(), cancel);
    metrics_.analyzers().summarize_duration_seconds.Observe({name_}, SecondsSince(start));
    return summary;
  }

 private:
  // Libraries that analyzers use tell failures by exceptions; one must not end the service.
  template <typename T, typename Function>
  absl::StatusOr<T> Guard(Function function) {
    try {
      return function();
    } catch (const std::bad_alloc&) {
      return OutOfMemory(name_);
    } catch (const std::exception& error) {
      return MakeError(absl::StatusCode::kInternal, Reason::kInternal, absl::StrCat(name_, ": ", error.what()));
    }
  }

  void Count(const absl::Status& status, const CancelToken& cancel) {
    if (status.ok() || cancel.cancelled()) return;
    metrics_.analyzers().analyzer_failures_total.Add({name_, telemetry::ReasonLabel(status)});
  }

  const std::unique_ptr<analysis::Analyzer> analyzer_;
  const std::string name_;
  telemetry::Metrics& metrics_;
};

}  // namespace

std::vector<std::unique_ptr<analysis::Analyzer>> MeasureAnalyzers(
    std::vector<std::unique_ptr<analysis::Analyzer>> analyzers, telemetry::Metrics& metrics) {
  for (std::unique_ptr<analysis::Analyzer>& analyzer : analyzers) {
    analyzer = std::make_unique<MeasuredAnalyzer>(std::move(analyzer), metrics);
  }
  return analyzers;
}

}  // namespace reelsight::rpc
