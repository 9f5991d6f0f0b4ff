// SPDX-License-Identifier: Apache-2.0
#include "shared/service/measured_analyzer.h"

#include <chrono>
#include <exception>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::service {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// What `function` returns, or its exception as a status. `name`: of the analyzer.
template <typename Function>
auto CatchExceptions(const std::string& name, Function function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return OutOfMemory(name);
  } catch (const std::exception& error) {
    return MakeError(absl::StatusCode::kInternal, Reason::kInternal, absl::StrCat(name, ": ", error.what()));
  }
}

}  // namespace

MeasuredAnalyzer::MeasuredAnalyzer(std::unique_ptr<analysis::Analyzer> analyzer, telemetry::Metrics& metrics)
    : analyzer_(std::move(analyzer)), name_(analyzer_->Describe().name()), metrics_(metrics) {
  metrics.DeclareAnalyzer(name_);
}

absl::StatusOr<std::vector<std::string>> MeasuredAnalyzer::AnalyzeFrames(const analysis::BatchView& view,
                                                                         const CancelToken& cancel) {
  const Clock::time_point start = Clock::now();
  auto payloads = CatchExceptions(name_, [&] { return analyzer_->AnalyzeFrames(view, cancel); });
  CountFailure(payloads.status(), cancel);
  metrics_.analyzers().analyze_duration_seconds.Observe({name_}, SecondsSince(start));
  if (payloads.ok()) {
    metrics_.analyzers().frames_analyzed_total.Add({name_}, static_cast<double>(payloads->size()));
  }
  return payloads;
}

absl::StatusOr<analyzer::v1::SummarizeResponse> MeasuredAnalyzer::Summarize(
    const analyzer::v1::SummarizeRequest& request, const CancelToken& cancel) {
  const Clock::time_point start = Clock::now();
  auto summary = CatchExceptions(name_, [&] { return analyzer_->Summarize(request, cancel); });
  CountFailure(summary.status(), cancel);
  metrics_.analyzers().summarize_duration_seconds.Observe({name_}, SecondsSince(start));
  return summary;
}

void MeasuredAnalyzer::CountFailure(const absl::Status& status, const CancelToken& cancel) {
  if (status.ok() || cancel.cancelled()) return;
  metrics_.analyzers().analyzer_failures_total.Add({name_, telemetry::ReasonLabel(status)});
}

std::vector<std::unique_ptr<analysis::Analyzer>> MeasureAnalyzers(
    std::vector<std::unique_ptr<analysis::Analyzer>> analyzers, telemetry::Metrics& metrics) {
  for (std::unique_ptr<analysis::Analyzer>& analyzer : analyzers) {
    analyzer = std::make_unique<MeasuredAnalyzer>(std::move(analyzer), metrics);
  }
  return analyzers;
}

}  // namespace reelsight::service
