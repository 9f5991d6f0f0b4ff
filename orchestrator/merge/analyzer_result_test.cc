// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/merge/analyzer_result.h"

#include <string>

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

TEST(AnalyzerResultTest, TimesAndCountsAreTheOutcomes) {
  AnalyzerOutcome outcome;
  outcome.frames.frames_done = 12;
  outcome.frames.batch_count = 3;
  outcome.frames.retry_count = 2;
  outcome.frames.batch_time = absl::Seconds(5);
  outcome.summarize_time = absl::Seconds(7);
  const v1::AnalyzerResult result = MakeAnalyzerResult(Planned(), outcome, absl::Seconds(9));
  EXPECT_EQ(result.analyzer(), "x");
  EXPECT_EQ(result.timing().elapsed().seconds(), 9);
  EXPECT_EQ(result.timing().batch_time().seconds(), 5);
  EXPECT_EQ(result.timing().summarize_time().seconds(), 7);
  EXPECT_EQ(result.timing().frame_count(), 12);
  EXPECT_EQ(result.timing().batch_count(), 3);
  EXPECT_EQ(result.timing().retry_count(), 2);
}

TEST(AnalyzerResultTest, ATypeIsNamedBehindTheLastSlash) {
  v1::SceneSegmentationResult typed;
  typed.add_scenes();
  for (const char* const prefix : {"type.googleapis.com/", "a/b/", "/"}) {
    AnalyzerOutcome outcome;
    outcome.summary.mutable_typed()->set_type_url(std::string(prefix) + "reelsight.v1.SceneSegmentationResult");
    outcome.summary.mutable_typed()->set_value(typed.SerializeAsString());
    EXPECT_EQ(MakeAnalyzerResult(Planned(), outcome, absl::ZeroDuration()).scene_segmentation().scenes_size(), 1)
        << prefix;
  }
}

TEST(AnalyzerResultTest, ATypedResultThatDoesNotFitSaysWhy) {
  AnalyzerOutcome outcome;
  outcome.summary.mutable_typed()->PackFrom(google::protobuf::Duration());
  outcome.summary.set_headline("1 scene");
  outcome.summary.mutable_model()->set_name("reader");
  v1::AnalyzerResult result = MakeAnalyzerResult(Planned(), outcome, absl::ZeroDuration());
  EXPECT_EQ(result.status().message(),
            "this version of the API has no result of type google.protobuf.Duration; the service is newer than the "
            "orchestrator");
  EXPECT_EQ(result.status().reason(), "INTERNAL");
  EXPECT_EQ(result.headline(), "");
  EXPECT_FALSE(result.has_model());
  outcome.summary.mutable_typed()->set_type_url("x/reelsight.v1.SceneSegmentationResult");
  outcome.summary.mutable_typed()->set_value("\xFF");
  result = MakeAnalyzerResult(Planned(), outcome, absl::ZeroDuration());
  EXPECT_EQ(result.status().code(), v1::AnalyzerStatus::INTERNAL);
  EXPECT_EQ(result.status().message(), "the result of type reelsight.v1.SceneSegmentationResult does not parse");
  EXPECT_EQ(result.result_case(), v1::AnalyzerResult::RESULT_NOT_SET);
}

TEST(AnalyzerResultTest, ACustomResultIsTakenAsItIsUnlessTheAnalyzerFailed) {
  AnalyzerOutcome outcome;
  (*outcome.summary.mutable_custom()->mutable_fields())["depth"].set_number_value(3);
  v1::AnalyzerResult result = MakeAnalyzerResult(Planned(), outcome, absl::ZeroDuration());
  EXPECT_EQ(result.custom().fields().at("depth").number_value(), 3);
  outcome.status = absl::AbortedError("");
  result = MakeAnalyzerResult(Planned(), outcome, absl::ZeroDuration());
  EXPECT_EQ(result.result_case(), v1::AnalyzerResult::RESULT_NOT_SET);
  // No more words than the code has.
  EXPECT_EQ(result.status().reason(), "ABORTED");
}

TEST(AnalyzerResultTest, AStatusIsTheCodeTheReasonAndTheMessage) {
  const v1::AnalyzerStatus ok = ToAnalyzerStatus(absl::OkStatus());
  EXPECT_EQ(ok.code(), v1::AnalyzerStatus::OK);
  EXPECT_EQ(ok.reason(), "");
  const v1::AnalyzerStatus bare = ToAnalyzerStatus(absl::NotFoundError("gone"));
  EXPECT_EQ(bare.code(), v1::AnalyzerStatus::NOT_FOUND);
  EXPECT_EQ(bare.reason(), "NOT_FOUND");
  EXPECT_EQ(bare.message(), "gone");
  EXPECT_EQ(ToAnalyzerStatus(WithReasonName(absl::NotFoundError(""), "PEERS_\xFF")).reason(), "PEERS_?");
}

}  // namespace
}  // namespace reelsight::orchestrator
