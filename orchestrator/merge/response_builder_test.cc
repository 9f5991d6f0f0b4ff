// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/merge/response_builder.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"
#include "shared/testing/fake_analyzer.h"

namespace reelsight::orchestrator {
namespace {

using analyzer::v1::TimelineEntry;
using ::testing::ElementsAre;

// "base" runs because "top" builds on it; "broken" fails. The answer has "top" before "broken".
class ResponseBuilderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"base", "broken", "top"}) {
      PlannedAnalyzer& planned = plan_.analyzers.emplace_back();
      planned.description = testing::FakeAnalyzer::Description(name, 1, 8);
      planned.requested = std::string(name) != "base";
    }
    plan_.answer_order = {2, 1};
    plan_.left_out = {"absent"};
    pipeline_.outcomes.resize(3);
    pipeline_.outcomes[1].status = MakeError(absl::StatusCode::kUnavailable, Reason::kRetryBudgetSpent, "peer gone");
    pipeline_.segments = {{absl::ZeroDuration(), absl::Seconds(10)}};
    facts_.request_id = "id";
    facts_.video.mutable_duration()->set_seconds(10);
  }

  void AddEntry(int place, TimelineEntry::Kind kind, const std::string& label, int start, int end) {
    TimelineEntry& entry = *pipeline_.outcomes[place].summary.add_timeline();
    entry.set_kind(kind);
    entry.set_label(label);
    entry.mutable_start_offset()->set_seconds(start);
    entry.mutable_end_offset()->set_seconds(end);
  }

  v1::AnalyzeResponse Build() {
    ResponseBuilder builder(plan_);
    for (size_t i = 0; i < pipeline_.outcomes.size(); ++i) {
      builder.AddOutcome(static_cast<int>(i), pipeline_.outcomes[i], absl::Seconds(1 + static_cast<int>(i)));
    }
    return builder.BuildResponse(facts_, pipeline_);
  }

  AnalysisPlan plan_;
  PipelineResult pipeline_;
  ResponseBuilder::RunFacts facts_;
};

TEST_F(ResponseBuilderTest, ResultsComeInTheOrderOfTheRequestWithoutWhatNobodyAskedFor) {
  const v1::AnalyzeResponse response = Build();
  EXPECT_EQ(response.request_id(), "id");
  EXPECT_EQ(response.video().duration().seconds(), 10);
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_EQ(response.results(0).analyzer(), "top");
  EXPECT_EQ(response.results(0).timing().elapsed().seconds(), 3);
  EXPECT_EQ(response.results(1).analyzer(), "broken");
  EXPECT_EQ(response.results(1).status().code(), v1::AnalyzerStatus::UNAVAILABLE);
  EXPECT_THAT(response.summary(), ::testing::HasSubstr("broken: UNAVAILABLE, peer gone"));
  EXPECT_THAT(response.summary(), ::testing::EndsWith(": absent"));
}

TEST_F(ResponseBuilderTest, ResultsAreThereBeforeTheAnswer) {
  ResponseBuilder builder(plan_);
  pipeline_.outcomes[0].summary.set_headline("early");
  EXPECT_EQ(builder.AddOutcome(0, pipeline_.outcomes[0], absl::Seconds(1)).headline(), "early");
  ASSERT_EQ(builder.results().size(), 3U);
  EXPECT_EQ(builder.results()[0].analyzer(), "base");
  EXPECT_EQ(builder.results()[2].analyzer(), "");
}

TEST_F(ResponseBuilderTest, WhatNobodyAskedForGivesTheTimelineItsShotsAndScenesAndNothingElse) {
  AddEntry(0, TimelineEntry::KIND_SHOT, "", 0, 4);
  AddEntry(0, TimelineEntry::KIND_SHOT, "", 4, 10);
  AddEntry(0, TimelineEntry::KIND_SCENE, "", 0, 4);
  AddEntry(0, TimelineEntry::KIND_SCENE, "", 4, 10);
  AddEntry(0, TimelineEntry::KIND_UNSPECIFIED, "hard cut", 4, 4);
  AddEntry(1, TimelineEntry::KIND_UNSPECIFIED, "of a failure", 1, 2);
  AddEntry(2, TimelineEntry::KIND_UNSPECIFIED, "seen", 1, 2);
  const v1::Timeline timeline = Build().timeline();
  ASSERT_EQ(timeline.scenes_size(), 2);
  EXPECT_EQ(timeline.scenes(1).start_offset().seconds(), 4);
  ASSERT_EQ(timeline.scenes(0).shots_size(), 1);
  ASSERT_EQ(timeline.scenes(0).shots(0).entries_size(), 1);
  EXPECT_EQ(timeline.scenes(0).shots(0).entries(0).label(), "seen");
  EXPECT_EQ(timeline.scenes(1).shots(0).entries_size(), 0);
}

TEST_F(ResponseBuilderTest, StatisticsTellWhatTheRunTookAndSumTheCaches) {
  facts_.open_time = absl::Seconds(1);
  facts_.source_bytes = 11;
  pipeline_.decode_time = absl::Seconds(2);
  pipeline_.feeder.convert_time = absl::Seconds(3);
  pipeline_.feeder.wait_time = absl::Seconds(4);
  pipeline_.summarize_time = absl::Seconds(5);
  pipeline_.frames_decoded = 12;
  pipeline_.feeder.frames_analyzed = 13;
  pipeline_.sent_bytes = 14;
  pipeline_.feeder.shared_conversions = 15;
  for (int place : {0, 2}) {
    pipeline_.outcomes[place].frames.cache_hits = 1;
    pipeline_.outcomes[place].frames.cache_misses = 2;
    pipeline_.outcomes[place].summary.set_cache_hits(10);
    pipeline_.outcomes[place].summary.set_cache_misses(20);
  }
  const v1::AnalyzeStats stats = Build().stats();
  std::vector<std::string> names;
  std::map<std::string, int64_t> seconds;
  for (const v1::AnalyzeStats::Stage& stage : stats.stages()) {
    names.push_back(stage.name());
    seconds[stage.name()] = stage.time().seconds();
  }
  EXPECT_THAT(names, ElementsAre("open", "decode", "convert", "wait", "summarize", "merge"));
  EXPECT_EQ(seconds["open"], 1);
  EXPECT_EQ(seconds["decode"], 2);
  EXPECT_EQ(seconds["convert"], 3);
  EXPECT_EQ(seconds["wait"], 4);
  EXPECT_EQ(seconds["summarize"], 5);
  EXPECT_EQ(stats.source_bytes(), 11);
  EXPECT_EQ(stats.frames_decoded(), 12);
  EXPECT_EQ(stats.frames_analyzed(), 13);
  EXPECT_EQ(stats.sent_bytes(), 14);
  EXPECT_EQ(stats.shared_conversions(), 15);
  EXPECT_EQ(stats.cache_hits(), 22);
  EXPECT_EQ(stats.cache_misses(), 44);
  EXPECT_GT(analysis::FromProto(stats.elapsed()), absl::ZeroDuration());
}

}  // namespace
}  // namespace reelsight::orchestrator
