// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/merge/analyzer_result.h"

#include "gmock/gmock.h"
#include "google/protobuf/duration.pb.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/testing/fake_analyzer.h"

namespace reelsight::orchestrator {
namespace {

PlannedAnalyzer Planned() {
  PlannedAnalyzer planned;
  planned.description = testing::FakeAnalyzer::Description("x", 1, 8);
  return planned;
}

TEST(AnalyzerResultTest, PlacesATypedResultByItsType) {
  v1::SceneSegmentationResult typed;
  typed.add_scenes()->add_shot_indexes(4);
  AnalyzerOutcome outcome;
  outcome.summary.mutable_typed()->PackFrom(typed);
  outcome.summary.set_headline("1 scene");
  outcome.summary.set_warning("careful");
  outcome.frames.frames_done = 12;
  const v1::AnalyzerResult result = MakeAnalyzerResult(Planned(), outcome, absl::Seconds(2));
  ASSERT_TRUE(result.has_scene_segmentation());
  EXPECT_EQ(result.scene_segmentation().scenes(0).shot_indexes(0), 4);
  EXPECT_EQ(result.status().code(), v1::AnalyzerStatus::OK);
  EXPECT_EQ(result.status().message(), "careful");
  EXPECT_EQ(result.timing().frame_count(), 12);
}

TEST(AnalyzerResultTest, NamesAllModelsAndWhereTheyRun) {
  AnalyzerOutcome outcome;
  outcome.summary.mutable_model()->set_name("reader");
  v1::AnalyzerResult result = MakeAnalyzerResult(Planned(), outcome, absl::ZeroDuration());
  EXPECT_EQ(result.model().name(), "reader");
  ASSERT_EQ(result.models_size(), 1);
  EXPECT_EQ(result.models(0).name(), "reader");
  for (const auto& [name, device] : {std::pair{"reader", "cuda:0"}, {"finder", "cpu"}}) {
    analyzer::v1::Model& model = *outcome.summary.add_models();
    model.set_name(name);
    model.set_version("2");
    model.set_license("MIT");
    model.set_device(device);
  }
  result = MakeAnalyzerResult(Planned(), outcome, absl::ZeroDuration());
  EXPECT_EQ(result.model().device(), "cuda:0");
  ASSERT_EQ(result.models_size(), 2);
  EXPECT_EQ(result.models(1).name(), "finder");
  EXPECT_EQ(result.models(1).version(), "2");
  EXPECT_EQ(result.models(1).license(), "MIT");
  EXPECT_EQ(result.models(1).device(), "cpu");
  result = MakeAnalyzerResult(Planned(), {}, absl::ZeroDuration());
  EXPECT_FALSE(result.has_model());
  EXPECT_TRUE(result.models().empty());
}

TEST(AnalyzerResultTest, RefusesATypeTheApiDoesNotKnow) {
  AnalyzerOutcome outcome;
  outcome.summary.mutable_typed()->PackFrom(google::protobuf::Duration());
  const v1::AnalyzerResult result = MakeAnalyzerResult(Planned(), outcome, absl::ZeroDuration());
  EXPECT_EQ(result.status().code(), v1::AnalyzerStatus::INTERNAL);
  EXPECT_EQ(result.result_case(), v1::AnalyzerResult::RESULT_NOT_SET);
}

TEST(AnalyzerResultTest, FailureHasReasonAndNoResult) {
  AnalyzerOutcome outcome;
  outcome.status = MakeError(absl::StatusCode::kUnavailable, Reason::kRetryBudgetSpent, "peer gone");
  const v1::AnalyzerResult result = MakeAnalyzerResult(Planned(), outcome, absl::ZeroDuration());
  EXPECT_EQ(result.status().code(), v1::AnalyzerStatus::UNAVAILABLE);
  EXPECT_EQ(result.status().reason(), "RETRY_BUDGET_SPENT");
  EXPECT_EQ(result.result_case(), v1::AnalyzerResult::RESULT_NOT_SET);
}

TEST(AnalyzerResultTest, AMessageThatIsNotUtf8DoesNotSpoilTheAnswer) {
  const v1::AnalyzerStatus status = ToAnalyzerStatus(absl::InternalError("library says \xFF"));
  EXPECT_EQ(status.message(), "library says ?");
}

}  // namespace
}  // namespace reelsight::orchestrator
