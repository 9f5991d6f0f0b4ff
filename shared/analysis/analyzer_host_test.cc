// SPDX-License-Identifier: Apache-2.0
#include "shared/analysis/analyzer_host.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/analysis/proto_time.h"
#include "shared/testing/fake_analyzer.h"

namespace reelsight::analysis {
namespace {

using testing::FakeAnalyzer;

Batch MakeBatch(std::vector<int64_t> indexes) {
  Batch batch;
  batch.request_id = "r";
  for (const int64_t index : indexes) {
    batch.frames.push_back(
        {index, absl::Milliseconds(40 * index), std::make_shared<Image>(PixelFormat::kGray8, ImageSize{4, 4})});
  }
  return batch;
}

std::unique_ptr<AnalyzerHost> MakeHost() {
  std::vector<std::unique_ptr<Analyzer>> analyzers;
  analyzers.push_back(std::make_unique<FakeAnalyzer>(FakeAnalyzer::Description("good", 0, 8)));
  auto bad = std::make_unique<FakeAnalyzer>(FakeAnalyzer::Description("bad", 0, 8));
  bad->OnFrames([](const BatchView&, const CancelToken&) {
    return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kWeightsMissing, "no weights");
  });
  analyzers.push_back(std::move(bad));
  return *AnalyzerHost::Create("fake", "1", std::move(analyzers), 1);
}

TEST(AnalyzerHostTest, AnswersTargetsInOrderAndLeavesContextOut) {
  Batch batch = MakeBatch({4, 5, 6});
  batch.work.push_back({.analyzer = "good", .options = {}, .target_indexes = {5, 6}, .context_indexes = {4}});
  const auto response = MakeHost()->AnalyzeFrames(batch, CancelToken());
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->results(0).results_size(), 2);
  EXPECT_EQ(response->results(0).results(0).payload(), "5");
  EXPECT_EQ(response->results(0).results(1).index(), 6);
  EXPECT_EQ(FromProto(response->results(0).results(1).offset()), absl::Milliseconds(240));
}

// As a client within the process could give it; Image::Wrap, which a service uses, refuses it before.
TEST(AnalyzerHostTest, APictureWithTooLongASideIsRefused) {
  const auto analyze = [](ImageSize size) {
    Batch batch;
    batch.frames.push_back({7, absl::ZeroDuration(), std::make_shared<Image>(PixelFormat::kGray8, size)});
    batch.work.push_back({.analyzer = "good", .options = {}, .target_indexes = {7}, .context_indexes = {}});
    return MakeHost()->AnalyzeFrames(batch, CancelToken()).status();
  };
  EXPECT_TRUE(analyze({1, kMaxSidePx}).ok());
  const absl::Status status = analyze({1, kMaxSidePx + 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(GetReason(status), "BAD_FRAME");
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("frame 7: a height of 16385 pixels is over 16384"));
}

TEST(AnalyzerHostTest, OneAnalyzersFailureIsDataAndTheOtherAnswers) {
  Batch batch = MakeBatch({0});
  batch.work.push_back({.analyzer = "bad", .options = {}, .target_indexes = {0}, .context_indexes = {}});
  batch.work.push_back({.analyzer = "good", .options = {}, .target_indexes = {0}, .context_indexes = {}});
  const auto response = MakeHost()->AnalyzeFrames(batch, CancelToken());
  ASSERT_TRUE(response.ok()) << response.status();
  const absl::Status failure = FromFailure(response->results(0).failure());
  EXPECT_EQ(failure.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetReason(failure), "WEIGHTS_MISSING");
  EXPECT_EQ(response->results(1).results_size(), 1);
}

TEST(AnalyzerHostTest, AnAnalyzerThatIsNotThereIsDataToo) {
  Batch batch = MakeBatch({0});
  batch.work.push_back({.analyzer = "none", .options = {}, .target_indexes = {0}, .context_indexes = {}});
  batch.work.push_back({.analyzer = "good", .options = {}, .target_indexes = {0}, .context_indexes = {}});
  const auto response = MakeHost()->AnalyzeFrames(batch, CancelToken());
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(GetReason(FromFailure(response->results(0).failure())), "UNKNOWN_ANALYZER");
  EXPECT_EQ(response->results(1).results_size(), 1);
}

TEST(AnalyzerHostTest, RefusesMalformedBatches) {
  Batch missing = MakeBatch({0});
  missing.work.push_back({.analyzer = "good", .options = {}, .target_indexes = {7}, .context_indexes = {}});
  EXPECT_EQ(GetReason(MakeHost()->AnalyzeFrames(missing, CancelToken()).status()), "BAD_FRAME");
  EXPECT_EQ(GetReason(MakeHost()->AnalyzeFrames(MakeBatch({1, 0}), CancelToken()).status()), "BAD_FRAME");
}

// Results come one for each target and in the order of targets.
TEST(AnalyzerHostTest, TargetsThatDoNotAscendAreRefused) {
  for (const std::vector<int64_t>& targets : {std::vector<int64_t>{1, 1}, std::vector<int64_t>{2, 1}}) {
    Batch batch = MakeBatch({1, 2});
    batch.work.push_back({.analyzer = "good", .options = {}, .target_indexes = targets, .context_indexes = {}});
    const absl::Status status = MakeHost()->AnalyzeFrames(batch, CancelToken()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(GetReason(status), "BAD_FRAME");
  }
}

// Or a small request could be made to give a very large answer.
TEST(AnalyzerHostTest, AnAnalyzerIsNamedOnceInABatch) {
  Batch batch = MakeBatch({1, 2});
  for (const int64_t target : {1, 2}) {
    batch.work.push_back({.analyzer = "good", .options = {}, .target_indexes = {target}, .context_indexes = {}});
  }
  const absl::Status status = MakeHost()->AnalyzeFrames(batch, CancelToken()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(GetMetadata(status, "field"), "work");
}

TEST(AnalyzerHostTest, SegmentsThatOverlapAreRefused) {
  using Seconds = std::vector<std::pair<double, double>>;
  const auto summarize = [](const Seconds& segments) {
    analyzer::v1::SummarizeRequest request;
    request.set_analyzer("good");
    for (const auto& [start, end] : segments) {
      analyzer::v1::Segment& segment = *request.add_segments();
      *segment.mutable_start_offset() = ToProto(absl::Seconds(start));
      *segment.mutable_end_offset() = ToProto(absl::Seconds(end));
    }
    return MakeHost()->Summarize(request, CancelToken()).status();
  };
  EXPECT_TRUE(summarize({}).ok());
  EXPECT_TRUE(summarize({{0, 1}, {1, 2}, {5, 5}}).ok()) << summarize({{0, 1}, {1, 2}, {5, 5}});
  for (const Seconds& wrong : {Seconds{{0, 2}, {1, 3}}, Seconds{{2, 3}, {0, 1}}, Seconds{{2, 1}}, Seconds{{-1, 1}}}) {
    EXPECT_EQ(GetMetadata(summarize(wrong), "field"), "segments");
  }
}

TEST(DurationTest, RoundTripsNegativeAndSubMicrosecond) {
  for (const absl::Duration d : {absl::Nanoseconds(33366667), absl::Seconds(-2) - absl::Nanoseconds(5)}) {
    EXPECT_EQ(FromProto(ToProto(d)), d);
  }
}

}  // namespace
}  // namespace reelsight::analysis
