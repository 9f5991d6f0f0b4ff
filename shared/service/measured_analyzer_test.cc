// SPDX-License-Identifier: Apache-2.0
#include "shared/service/measured_analyzer.h"

#include <new>
#include <stdexcept>
#include <utility>

#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/testing/fake_analyzer.h"

namespace reelsight::service {
namespace {

using testing::FakeAnalyzer;

class MeasuredAnalyzerTest : public ::testing::Test {
 protected:
  std::unique_ptr<analysis::Analyzer> Measure(FakeAnalyzer fake) {
    std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
    analyzers.push_back(std::make_unique<FakeAnalyzer>(std::move(fake)));
    return std::move(MeasureAnalyzers(std::move(analyzers), metrics_)[0]);
  }
  double Failures(const std::string& reason) {
    return metrics_.analyzers().analyzer_failures_total.Value({"fake", reason});
  }

  telemetry::Metrics metrics_{{.service = "test", .version = "1", .analyzers = true}};
  FakeAnalyzer fake_{FakeAnalyzer::Description("fake", 0, 4)};
};

TEST_F(MeasuredAnalyzerTest, CountsFramesAndTimesAndChangesNoAnswer) {
  fake_.OnFrames([](const analysis::BatchView&, const CancelToken&) { return std::vector<std::string>{"a", "b"}; });
  const auto measured = Measure(std::move(fake_));
  EXPECT_EQ(measured->Describe().name(), "fake");
  EXPECT_EQ(*measured->AnalyzeFrames({}, CancelToken()), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(measured->Summarize({}, CancelToken()).ok());
  EXPECT_EQ(metrics_.analyzers().frames_analyzed_total.Value({"fake"}), 2);
  EXPECT_EQ(metrics_.analyzers().analyze_duration_seconds.Count({"fake"}), 1);
  EXPECT_EQ(metrics_.analyzers().summarize_duration_seconds.Count({"fake"}), 1);
}

TEST_F(MeasuredAnalyzerTest, AnExceptionOfALibraryBecomesAStatusThatNamesTheAnalyzer) {
  fake_.OnFrames([](const analysis::BatchView&, const CancelToken&) -> absl::StatusOr<std::vector<std::string>> {
    throw std::runtime_error("no such layer");
  });
  fake_.OnSummarize(
      [](const analyzer::v1::SummarizeRequest&, const CancelToken&) -> absl::StatusOr<analyzer::v1::SummarizeResponse> {
        throw std::bad_alloc();
      });
  const auto measured = Measure(std::move(fake_));
  const absl::Status broken = measured->AnalyzeFrames({}, CancelToken()).status();
  EXPECT_EQ(broken.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(broken.message(), "fake: no such layer");
  EXPECT_EQ(measured->Summarize({}, CancelToken()).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Failures("INTERNAL"), 1);
}

TEST_F(MeasuredAnalyzerTest, WhatTheCallerCancelledIsNoFailure) {
  fake_.OnFrames([](const analysis::BatchView&, const CancelToken& cancel) -> absl::StatusOr<std::vector<std::string>> {
    return cancel.status();
  });
  const auto measured = Measure(std::move(fake_));
  CancelToken cancel;
  cancel.Cancel(absl::CancelledError("gone"));
  EXPECT_FALSE(measured->AnalyzeFrames({}, cancel).ok());
  EXPECT_EQ(Failures("CANCELLED"), 0);
}

}  // namespace
}  // namespace reelsight::service
