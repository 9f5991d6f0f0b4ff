// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/frame_feeder.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/stopwatch.h"
#include "shared/testing/fake_analyzer.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::ElementsAre;
using testing::FakeAnalyzer;
using ::testing::Pair;

// Makes empty pictures and counts them.
class CountingConverter final : public FrameConverter {
 public:
  analysis::ImageSize SizeFor(const analysis::FrameSpec& spec) const override {
    return analysis::SizeFor(spec, {64, 32});
  }
  absl::Status Convert(const DecodedFrame&, const analysis::FrameSpec&, analysis::Image&) override {
    ++count;
    if (on_convert) on_convert();
    return status;
  }
  int count = 0;
  std::function<void()> on_convert;
  absl::Status status;
};

PlannedAnalyzer Planned(const std::string& name, double fps, int batch) {
  PlannedAnalyzer planned;
  planned.description = FakeAnalyzer::Description(name, fps, batch);
  planned.spec = *analysis::FromProto(planned.description.frame_spec());
  return planned;
}

// The frame number `index` of ten a second, without pixels.
DecodedFrame FrameAt(int index, FrameSchedule& schedule) {
  const absl::Duration offset = absl::Milliseconds(100 * index);
  return {index, offset, nullptr, schedule.Decide(index, offset)};
}

struct Fed {
  // "endpoint: analyzer targets|context; ..." of each batch.
  std::vector<std::string> batches;
  FrameFeeder::Stats stats;
  int conversions = 0;
};

Fed FeedFrames(AnalysisPlan plan, int count, int64_t budget_bytes = 1 << 20) {
  Fed fed;
  CountingConverter converter;
  auto pool = analysis::FramePool::Create(budget_bytes);
  FrameFeeder feeder(plan, {.request_id = "r"}, converter, *pool,
                     [&](int endpoint, std::shared_ptr<const analysis::Batch> batch) {
                       std::string text = absl::StrCat(endpoint, ":");
                       for (const analysis::AnalyzerWork& work : batch->work) {
                         absl::StrAppend(&text, " ", work.analyzer, " ", absl::StrJoin(work.target_indexes, ","), "|",
                                         absl::StrJoin(work.context_indexes, ","), ";");
                       }
                       fed.batches.push_back(text);
                       return absl::OkStatus();
                     });
  FrameSchedule schedule(plan, 10, v1::AnalyzeRequest::ACCURATE, {});
  for (int i = 0; i < count; ++i) {
    EXPECT_TRUE(feeder.Feed(FrameAt(i, schedule), CancelToken()).ok());
  }
  EXPECT_TRUE(feeder.Flush().ok());
  fed.stats = feeder.stats();
  fed.conversions = converter.count;
  return fed;
}

TEST(FrameFeederTest, AnalyzersOfOneServiceAndSpecShareBatchesAndConversions) {
  AnalysisPlan plan;
  plan.analyzers = {Planned("all", 0, 3), Planned("some", 5, 8)};
  const Fed fed = FeedFrames(plan, 5);
  EXPECT_THAT(fed.batches, ElementsAre("0: all 0,1,2|; some 0|;", "0: all 3,4|; some 2,4|;"));
  EXPECT_EQ(fed.conversions, 5);
  EXPECT_EQ(fed.stats.shared_conversions, 3);
  EXPECT_EQ(fed.stats.frames_analyzed, 5);
}

TEST(FrameFeederTest, EqualSpecsOfTwoServicesShareOneConversion) {
  AnalysisPlan plan;
  plan.analyzers = {Planned("a", 0, 8), Planned("b", 0, 8)};
  plan.analyzers[1].endpoint = 1;
  const Fed fed = FeedFrames(plan, 4);
  EXPECT_THAT(fed.batches, ElementsAre("0: a 0,1,2,3|;", "1: b 0,1,2,3|;"));
  EXPECT_EQ(fed.conversions, 4);
}

TEST(FrameFeederTest, DecodedNeighboursAreConvertedOnlyWhereNeeded) {
  AnalysisPlan plan;
  plan.analyzers = {Planned("pairs", 2, 8)};
  auto& sampling = *plan.analyzers[0].description.mutable_sampling();
  sampling.set_context_kind(analyzer::v1::Sampling::CONTEXT_KIND_DECODED);
  sampling.set_context_frames(1);
  const Fed fed = FeedFrames(plan, 12);
  EXPECT_THAT(fed.batches, ElementsAre("0: pairs 0,5,10|4,9;"));
  EXPECT_EQ(fed.conversions, 5);
}

TEST(FrameFeederTest, SampledNeighboursReachAcrossBatches) {
  AnalysisPlan plan;
  plan.analyzers = {Planned("chain", 5, 2)};
  auto& sampling = *plan.analyzers[0].description.mutable_sampling();
  sampling.set_context_kind(analyzer::v1::Sampling::CONTEXT_KIND_SAMPLED);
  sampling.set_context_frames(2);
  EXPECT_THAT(FeedFrames(plan, 10).batches, ElementsAre("0: chain 0,2|;", "0: chain 4,6|0,2;", "0: chain 8|4,6;"));
}

TEST(FrameFeederTest, ASpentBudgetFlushesRatherThanDeadlocks) {
  AnalysisPlan plan;
  plan.analyzers = {Planned("all", 0, 100)};
  // Two pictures of 32x16 bytes fit.
  const Fed fed = FeedFrames(plan, 6, 1100);
  EXPECT_THAT(fed.batches, ElementsAre("0: all 0,1|;", "0: all 2,3|;", "0: all 4,5|;"));
}

class NeighboursTest : public ::testing::TestWithParam<int> {};

TEST_P(NeighboursTest, KeepsBackOnlyThoseThatSomebodyNeeds) {
  AnalysisPlan plan;
  plan.analyzers = {Planned("large", 0, 8), Planned("neighbours", 0, 8)};
  plan.analyzers[0].spec.max_side_px = 64;  // 64x32 bytes; the other takes 32x16.
  auto& sampling = *plan.analyzers[1].description.mutable_sampling();
  sampling.set_context_kind(analyzer::v1::Sampling::CONTEXT_KIND_DECODED);
  sampling.set_context_frames(GetParam());
  CountingConverter converter;
  auto pool = analysis::FramePool::Create(1 << 20);
  FrameFeeder feeder(plan, {.request_id = "r"}, converter, *pool,
                     [](int, const std::shared_ptr<const analysis::Batch>&) { return absl::OkStatus(); });
  FrameSchedule schedule(plan, 10, v1::AnalyzeRequest::ACCURATE, {});
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(feeder.Feed(FrameAt(i, schedule), CancelToken()).ok());
  }
  ASSERT_TRUE(feeder.Flush().ok());
  EXPECT_EQ(pool->used_bytes(), GetParam() * 32 * 16);
  feeder.ReleaseFrames();
  EXPECT_EQ(pool->used_bytes(), 0);
}

INSTANTIATE_TEST_SUITE_P(FrameFeederTest, NeighboursTest, ::testing::Values(1, 2, 4));

TEST(FrameFeederTest, KeepsAsManyNeighboursOfEachSpecAsItsAnalyzersNeed) {
  AnalysisPlan plan;
  plan.analyzers = {Planned("large", 0, 8), Planned("small", 0, 8)};
  plan.analyzers[0].spec.max_side_px = 64;  // 64x32 bytes; the other takes 32x16.
  for (int i = 0; i < 2; ++i) {
    auto& sampling = *plan.analyzers[i].description.mutable_sampling();
    sampling.set_context_kind(analyzer::v1::Sampling::CONTEXT_KIND_DECODED);
    sampling.set_context_frames(i == 0 ? 1 : 4);
  }
  CountingConverter converter;
  auto pool = analysis::FramePool::Create(1 << 20);
  FrameFeeder feeder(plan, {.request_id = "r"}, converter, *pool,
                     [](int, const std::shared_ptr<const analysis::Batch>&) { return absl::OkStatus(); });
  FrameSchedule schedule(plan, 10, v1::AnalyzeRequest::ACCURATE, {});
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(feeder.Feed(FrameAt(i, schedule), CancelToken()).ok());
  }
  ASSERT_TRUE(feeder.Flush().ok());
  EXPECT_EQ(pool->used_bytes(), 64 * 32 + 4 * 32 * 16);
}

// A feeder whose batches and errors a test sees as they come.
class FedTest : public ::testing::Test {
 protected:
  PlannedAnalyzer& Add(const std::string& name, double fps, int batch) {
    plan_.analyzers.push_back(Planned(name, fps, batch));
    return plan_.analyzers.back();
  }
  void Start(std::vector<TimeSpan> segments = {}, int64_t budget_bytes = 1 << 20) {
    pool_ = analysis::FramePool::Create(budget_bytes);
    feeder_ = std::make_unique<FrameFeeder>(plan_, FrameFeeder::Options{.request_id = "r", .video = video_}, converter_,
                                            *pool_, [this](int, std::shared_ptr<const analysis::Batch> batch) {
                                              if (on_batch_) on_batch_();
                                              batches_.push_back(std::move(batch));
                                              return sink_status_;
                                            });
    schedule_ = std::make_unique<FrameSchedule>(plan_, 10, v1::AnalyzeRequest::ACCURATE, std::move(segments));
  }
  absl::Status Feed(int index) { return feeder_->Feed(FrameAt(index, *schedule_), CancelToken()); }
  // "targets|context" of the batch's first analyzer.
  std::string Text(size_t batch) const {
    const analysis::AnalyzerWork& work = batches_.at(batch)->work.at(0);
    return absl::StrCat(absl::StrJoin(work.target_indexes, ","), "|", absl::StrJoin(work.context_indexes, ","));
  }

  AnalysisPlan plan_;
  analyzer::v1::VideoFacts video_;
  CountingConverter converter_;
  std::shared_ptr<analysis::FramePool> pool_;
  std::function<void()> on_batch_;
  absl::Status sink_status_;
  std::vector<std::shared_ptr<const analysis::Batch>> batches_;
  std::unique_ptr<FrameFeeder> feeder_;
  std::unique_ptr<FrameSchedule> schedule_;
};

TEST_F(FedTest, BatchesTellWhatTheyArePartOf) {
  video_.set_width_px(320);
  Add("a", 0, 2).options.set_type_url("mine");
  Start();
  EXPECT_TRUE(Feed(0).ok());
  EXPECT_TRUE(batches_.empty());
  EXPECT_TRUE(Feed(1).ok());
  ASSERT_EQ(batches_.size(), 1u);
  EXPECT_EQ(batches_[0]->request_id, "r");
  EXPECT_EQ(batches_[0]->video.width_px(), 320);
  EXPECT_EQ(batches_[0]->work[0].options.type_url(), "mine");
  EXPECT_EQ(batches_[0]->frames[1].offset, absl::Milliseconds(100));
  EXPECT_EQ(batches_[0]->frames[1].image->size(), (analysis::ImageSize{32, 16}));
}

TEST_F(FedTest, OtherSpecsMakeOtherBatches) {
  Add("small", 0, 8);
  Add("large", 0, 8).spec.max_side_px = 64;
  Add("small too", 0, 8);
  Start();
  EXPECT_TRUE(Feed(0).ok());
  EXPECT_TRUE(feeder_->Flush().ok());
  ASSERT_EQ(batches_.size(), 2u);
  EXPECT_EQ(batches_[0]->work.size(), 2u);
  EXPECT_EQ(batches_[1]->work[0].analyzer, "large");
  EXPECT_EQ(batches_[1]->frames[0].image->size(), (analysis::ImageSize{64, 32}));
  EXPECT_TRUE(feeder_->Flush().ok());
  EXPECT_EQ(batches_.size(), 2u);
}

TEST_F(FedTest, AnAnalyzerThatNamesNoBatchGetsThirtyTwoFrames) {
  Add("a", 0, 0);
  Start();
  for (int i = 0; i < 31; ++i) EXPECT_TRUE(Feed(i).ok());
  EXPECT_TRUE(batches_.empty());
  EXPECT_TRUE(Feed(31).ok());
  EXPECT_EQ(batches_.size(), 1u);
}

TEST_F(FedTest, TargetsAreCountedFromNoneOn) {
  Add("all", 0, 8);
  Add("some", 5, 8);
  Add("broken", 0, 8).status = absl::UnavailableError("away");
  Start();
  EXPECT_THAT(feeder_->targets(), ElementsAre(Pair("all", 0), Pair("some", 0)));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(Feed(i).ok());
  EXPECT_THAT(feeder_->targets(), ElementsAre(Pair("all", 4), Pair("some", 2)));
}

TEST_F(FedTest, NothingMoreIsPreparedForOneThatWasGivenUp) {
  Add("good", 5, 100);
  auto& sampling = *Add("bad", 0, 100).description.mutable_sampling();
  sampling.set_context_kind(analyzer::v1::Sampling::CONTEXT_KIND_SAMPLED);
  sampling.set_context_frames(3);
  plan_.analyzers[1].endpoint = 1;
  Start();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(Feed(i).ok());
  EXPECT_EQ(feeder_->stats().frames_analyzed, 4);
  EXPECT_TRUE(feeder_->Flush().ok());
  batches_.clear();
  EXPECT_EQ(pool_->used_bytes(), 3 * 32 * 16);
  feeder_->GiveUp("nobody");
  feeder_->GiveUp("bad");
  EXPECT_EQ(pool_->used_bytes(), 0);
  for (int i = 4; i < 8; ++i) EXPECT_TRUE(Feed(i).ok());
  EXPECT_TRUE(feeder_->Flush().ok());
  ASSERT_EQ(batches_.size(), 1u);
  EXPECT_EQ(Text(0), "4,6|");
  // Frames that only the other would have taken are not analysed.
  EXPECT_EQ(feeder_->stats().frames_analyzed, 6);
  EXPECT_THAT(feeder_->targets(), ElementsAre(Pair("bad", 4), Pair("good", 4)));
}

TEST_F(FedTest, NoContextReachesFromOneSegmentIntoTheNext) {
  for (const auto kind : {analyzer::v1::Sampling::CONTEXT_KIND_SAMPLED, analyzer::v1::Sampling::CONTEXT_KIND_DECODED}) {
    plan_ = {};
    batches_.clear();
    auto& sampling = *Add("a", 0, 100).description.mutable_sampling();
    sampling.set_context_kind(kind);
    sampling.set_context_frames(2);
    Start({{absl::ZeroDuration(), absl::Milliseconds(200)}, {absl::Milliseconds(200), absl::Seconds(9)}});
    EXPECT_TRUE(Feed(0).ok());
    EXPECT_TRUE(Feed(1).ok());
    EXPECT_TRUE(feeder_->Flush().ok());
    EXPECT_EQ(Text(0), "0,1|");
    EXPECT_TRUE(Feed(2).ok());
    EXPECT_TRUE(feeder_->Flush().ok());
    EXPECT_EQ(Text(1), "2|");
    EXPECT_TRUE(Feed(3).ok());
    EXPECT_TRUE(feeder_->Flush().ok());
    EXPECT_EQ(Text(2), "3|2");
  }
}

TEST_F(FedTest, AnErrorOfAServiceOrOfAConversionStopsTheFrame) {
  Add("a", 0, 1);
  Start();
  sink_status_ = absl::AbortedError("sink");
  EXPECT_EQ(Feed(0), absl::AbortedError("sink"));
  sink_status_ = absl::OkStatus();
  converter_.status = absl::DataLossError("converter");
  EXPECT_EQ(Feed(1), absl::DataLossError("converter"));
  EXPECT_EQ(batches_.size(), 1u);
  EXPECT_EQ(converter_.count, 2);
}

TEST_F(FedTest, TimesOfConversionsAndOfWaitingAddUp) {
  const auto pass = [] {
    const Stopwatch stopwatch;
    while (stopwatch.elapsed() < absl::Milliseconds(2)) {
    }
  };
  Add("a", 0, 1);
  converter_.on_convert = pass;
  Start();
  EXPECT_TRUE(Feed(0).ok());
  EXPECT_TRUE(Feed(1).ok());
  EXPECT_GE(feeder_->stats().convert_time, absl::Milliseconds(4));
  EXPECT_LT(feeder_->stats().wait_time, feeder_->stats().convert_time);
  converter_.on_convert = nullptr;
  on_batch_ = pass;
  EXPECT_TRUE(Feed(2).ok());
  EXPECT_TRUE(Feed(3).ok());
  EXPECT_GE(feeder_->stats().wait_time, absl::Milliseconds(4));
  EXPECT_LT(feeder_->stats().wait_time, absl::Hours(1));
}

TEST_F(FedTest, WaitingForRoomEndsWithTheRunAndCounts) {
  Add("a", 0, 100);
  Start({}, 32 * 16);
  EXPECT_TRUE(Feed(0).ok());
  // What is gathered is sent, but stays in use by the service.
  const CancelToken late;
  late.SetDeadline(CancelToken::Clock::now() + std::chrono::milliseconds(5));
  EXPECT_TRUE(absl::IsDeadlineExceeded(feeder_->Feed(FrameAt(1, *schedule_), late)));
  ASSERT_EQ(batches_.size(), 1u);
  EXPECT_GT(feeder_->stats().wait_time, absl::ZeroDuration());
}

}  // namespace
}  // namespace reelsight::orchestrator
