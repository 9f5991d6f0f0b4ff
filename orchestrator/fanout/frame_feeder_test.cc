// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/frame_feeder.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/testing/fake_analyzer.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::ElementsAre;
using testing::FakeAnalyzer;

// Makes empty pictures and counts them.
class CountingConverter final : public FrameConverter {
 public:
  analysis::ImageSize SizeFor(const analysis::FrameSpec& spec) const override {
    return analysis::SizeFor(spec, {64, 32});
  }
  absl::Status Convert(const DecodedFrame&, const analysis::FrameSpec&, analysis::Image&) override {
    ++count;
    return absl::OkStatus();
  }
  int count = 0;
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

TEST(FrameFeederTest, KeepsBackOnlyTheNeighboursSomebodyNeeds) {
  AnalysisPlan plan;
  plan.analyzers = {Planned("large", 0, 8), Planned("neighbours", 0, 8)};
  plan.analyzers[0].spec.max_side_px = 64;  // 64x32 bytes; the other takes 32x16.
  auto& sampling = *plan.analyzers[1].description.mutable_sampling();
  sampling.set_context_kind(analyzer::v1::Sampling::CONTEXT_KIND_DECODED);
  sampling.set_context_frames(4);
  CountingConverter converter;
  auto pool = analysis::FramePool::Create(1 << 20);
  FrameFeeder feeder(plan, {.request_id = "r"}, converter, *pool,
                     [](int, const std::shared_ptr<const analysis::Batch>&) { return absl::OkStatus(); });
  FrameSchedule schedule(plan, 10, v1::AnalyzeRequest::ACCURATE, {});
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(feeder.Feed(FrameAt(i, schedule), CancelToken()).ok());
  }
  ASSERT_TRUE(feeder.Flush().ok());
  EXPECT_EQ(pool->used_bytes(), 4 * 32 * 16);
}

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

}  // namespace
}  // namespace reelsight::orchestrator
