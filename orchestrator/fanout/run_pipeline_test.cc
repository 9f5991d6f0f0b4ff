// SPDX-License-Identifier: Apache-2.0
//
// The pipeline with a fake decoder and fake analyzers. It runs under ThreadSanitizer too.
#include "orchestrator/fanout/run_pipeline.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/analysis/local_analyzer_client.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"
#include "shared/base/stopwatch.h"
#include "shared/testing/fake_analyzer.h"
#include "shared/testing/wait.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::ElementsAre;
using testing::FakeAnalyzer;
using ::testing::HasSubstr;

// `count` frames, ten a second, whose duration is known only at the end unless declared.
class FakeDecoder final : public VideoDecoder {
 public:
  explicit FakeDecoder(int64_t count, bool declared = true) : count_(count) {
    info_.set_frame_rate(10);
    info_.set_width_px(64);
    info_.set_height_px(32);
    if (declared) SetDuration();
  }
  const v1::VideoInfo& info() const override { return info_; }
  absl::StatusOr<std::optional<DecodedFrame>> Next() override {
    if (next_ == count_) {
      SetDuration();
      return std::optional<DecodedFrame>();
    }
    if (frame_time > absl::ZeroDuration()) testing::WorkFor(absl::ToChronoMilliseconds(frame_time));
    const int64_t index = next_++;
    if (index == broken_at_) return absl::DataLossError("broken");
    const absl::Duration offset = absl::Milliseconds(100 * index);
    return std::optional<DecodedFrame>({index, offset, nullptr, schedule_->Decide(index, offset)});
  }
  void Follow(FrameSchedule& schedule) override { schedule_ = &schedule; }
  absl::Status SkipTo(absl::Duration offset) override {
    skips.push_back(offset);
    next_ =
        std::max(next_, std::min<int64_t>(count_, absl::ToInt64Milliseconds(offset + absl::Milliseconds(99)) / 100));
    return absl::OkStatus();
  }
  int64_t source_bytes() const override { return 0; }
  absl::Duration frame_time;
  std::vector<absl::Duration> skips;
  FakeDecoder& BreakAt(int64_t index) { return broken_at_ = index, *this; }

 private:
  void SetDuration() { *info_.mutable_duration() = analysis::ToProto(absl::Milliseconds(100 * count_)); }
  v1::VideoInfo info_;
  FrameSchedule* schedule_ = nullptr;
  const int64_t count_;
  int64_t next_ = 0;
  int64_t broken_at_ = -1;
};

class FakeConverter final : public FrameConverter {
 public:
  analysis::ImageSize SizeFor(const analysis::FrameSpec& spec) const override {
    return analysis::SizeFor(spec, {64, 32});
  }
  absl::Status Convert(const DecodedFrame&, const analysis::FrameSpec&, analysis::Image&) override {
    return absl::OkStatus();
  }
};

concurrency::Timer& TestTimer() {
  static concurrency::Timer& timer = *new concurrency::Timer();
  return timer;
}

class RunPipelineTest : public ::testing::Test {
 protected:
  FakeAnalyzer& Add(const std::string& name, double fps, int batch) {
    auto analyzer = std::make_unique<FakeAnalyzer>(FakeAnalyzer::Description(name, fps, batch));
    PlannedAnalyzer planned;
    planned.description = analyzer->Describe();
    planned.spec = *analysis::FromProto(planned.description.frame_spec());
    plan_.analyzers.push_back(planned);
    FakeAnalyzer& borrowed = *analyzer;
    analyzers_.push_back(std::move(analyzer));
    return borrowed;
  }

  absl::StatusOr<PipelineResult> Run(int64_t frames, bool declared = true, int64_t budget_bytes = 1 << 20) {
    auto host = *analysis::AnalyzerHost::Create("fake", "1", std::move(analyzers_), 2);
    concurrency::FairExecutor executor({.thread_count = 3});
    const std::vector<Endpoint> endpoints = {
        {"fake", std::make_shared<analysis::LocalAnalyzerClient>(*host, executor)}};
    FakeDecoder decoder(frames, declared);
    FakeConverter converter;
    auto pool = analysis::FramePool::Create(budget_bytes);
    decoder.frame_time = frame_time_;
    auto result =
        RunPipeline({plan_, decoder, converter, endpoints, *pool, TestTimer()}, input_, observer_, cancel_, work_);
    skips_ = decoder.skips;
    if (result.ok()) {
      EXPECT_GE(result->decode_time, result->frames_decoded * frame_time_);
    }
    return result;
  }

  AnalysisPlan plan_;
  std::vector<std::unique_ptr<analysis::Analyzer>> analyzers_;
  PipelineInput input_{.request_id = "r"};
  PipelineObserver observer_;
  // Of decoding one frame.
  absl::Duration frame_time_;
  std::vector<absl::Duration> skips_;
  CancelToken cancel_;
  CancelToken work_;
};

std::string Frames(const AnalyzerOutcome& outcome) {
  if (!outcome.status.ok()) return std::string(outcome.status.ToString());
  return outcome.summary.custom().fields().at("frames").string_value();
}

std::string Range(int count, int step = 1) {
  std::vector<int> values;
  for (int i = 0; i < count; i += step) values.push_back(i);
  return absl::StrJoin(values, ",");
}

TEST_F(RunPipelineTest, EveryFrameReachesEveryAnalyzerOnceAndInOrder) {
  Add("all", 0, 7);
  Add("some", 2, 3);
  const auto result = Run(200);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Frames(result->outcomes[0]), Range(200));
  EXPECT_EQ(Frames(result->outcomes[1]), Range(200, 5));
  EXPECT_EQ(result->frames_decoded, 200);
  EXPECT_THAT(result->segments, ElementsAre(TimeSpan{absl::ZeroDuration(), absl::Seconds(20)}));
}

TEST_F(RunPipelineTest, NothingIsLostWithATinyFrameBudget) {
  Add("all", 0, 32);
  Add("some", 2, 32);
  const auto result = Run(100, true, 1200);  // Two pictures.
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Frames(result->outcomes[0]), Range(100));
}

TEST_F(RunPipelineTest, ABudgetTooSmallForOnePictureFailsAtOnce) {
  Add("all", 0, 32);
  EXPECT_EQ(GetReason(Run(10, true, 10).status()), "VIDEO_TOO_LARGE");
}

TEST_F(RunPipelineTest, SegmentsAreCutToTheVideoAndSampledAnew) {
  Add("some", 2, 8);
  input_.segments = {{absl::Seconds(1), absl::Seconds(2)},
                     {absl::Seconds(2), absl::Milliseconds(2250)},
                     {absl::Milliseconds(8950), absl::Seconds(99)}};
  const auto result = Run(100, false);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Frames(result->outcomes[0]), "10,15,20,90,95");
  EXPECT_EQ(result->segments.back().end, absl::Seconds(10));
}

TEST_F(RunPipelineTest, ASegmentBehindTheEndIsNamedWhetherOrNotTheDurationIsDeclared) {
  for (const bool declared : {true, false}) {
    plan_ = {};
    work_ = CancelToken();
    Add("some", 2, 8);
    input_.segments = {{absl::Seconds(1), absl::Seconds(2)}, {absl::Seconds(10), absl::Seconds(11)}};
    EXPECT_EQ(GetMetadata(Run(100, declared).status(), "field"), "segments[1].start_offset");
  }
}

TEST_F(RunPipelineTest, AFailingAnalyzerIsDataAndTheOtherAnswers) {
  Add("good", 0, 8);
  Add("bad", 0, 8).OnFrames([](const auto&, const auto&) { return absl::InternalError("broken"); });
  const auto result = Run(300);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Frames(result->outcomes[0]), Range(300));
  EXPECT_EQ(result->outcomes[1].status.code(), absl::StatusCode::kInternal);
}

TEST_F(RunPipelineTest, NothingMoreIsPreparedForOneThatFailedThoughOthersGoOn) {
  Add("a good one", 1, 8);
  Add("z bad", 0, 8).OnFrames([](const auto&, const auto&) { return absl::InternalError("broken"); });
  const auto result = Run(2000);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Frames(result->outcomes[0]), Range(2000, 10));
  EXPECT_LT(result->feeder.frames_analyzed, 2000);
}

TEST_F(RunPipelineTest, DecodingStopsWhenNobodyIsLeft) {
  Add("bad", 0, 8).OnFrames([](const auto&, const auto&) { return absl::InternalError("broken"); });
  const auto result = Run(1'000'000);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LT(result->frames_decoded, 1'000'000);
}

TEST_F(RunPipelineTest, CancelStopsARunThatWaitsForASlowAnalyzer) {
  std::atomic<bool> began = false;
  Add("slow", 0, 1).OnFrames([&](const auto&, const CancelToken& cancel) -> absl::StatusOr<std::vector<std::string>> {
    began = true;
    began.notify_all();
    while (!cancel.cancelled()) std::this_thread::yield();
    return cancel.status();
  });
  std::thread canceller([&] {
    began.wait(false);
    cancel_.Cancel();
    work_.Cancel();
  });
  EXPECT_EQ(Run(1000).status().code(), absl::StatusCode::kCancelled);
  canceller.join();
}

TEST_F(RunPipelineTest, WhenOnlyTheWorksTimeIsOverFinishedAnswersAreKept) {
  Add("quick", 2, 1);
  Add("slow", 0, 100)
      .OnSummarize([](const auto&, const CancelToken& cancel) -> absl::StatusOr<analyzer::v1::SummarizeResponse> {
        while (!cancel.cancelled()) std::this_thread::yield();
        return cancel.status();
      });
  work_.SetDeadline(CancelToken::Clock::now() + std::chrono::milliseconds(300));
  const auto result = Run(20);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->outcomes[0].status.ok()) << result->outcomes[0].status;
  EXPECT_EQ(result->outcomes[1].status.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(RunPipelineTest, ProgressEndsComplete) {
  Add("all", 0, 8);
  float decoded = 0;
  observer_.on_progress = [&](const v1::AnalyzeStreamResponse::Progress& progress) {
    EXPECT_GE(progress.decoded_fraction(), decoded);
    decoded = progress.decoded_fraction();
  };
  ASSERT_TRUE(Run(50).ok());
  EXPECT_EQ(decoded, 1);
}

TEST_F(RunPipelineTest, AnErrorOfTheDecoderStopsTheBatchesUnderWay) {
  Add("slow", 0, 4)
      .OnFrames([](const analysis::BatchView&, const CancelToken& cancel) -> absl::StatusOr<std::vector<std::string>> {
        EXPECT_TRUE(testing::WaitUntil([&] { return cancel.cancelled(); }));
        return cancel.status();
      });
  auto host = *analysis::AnalyzerHost::Create("fake", "1", std::move(analyzers_), 2);
  concurrency::FairExecutor executor({.thread_count = 1});
  const std::vector<Endpoint> endpoints = {{"fake", std::make_shared<analysis::LocalAnalyzerClient>(*host, executor)}};
  FakeDecoder decoder(100);
  decoder.BreakAt(10);
  FakeConverter converter;
  auto pool = analysis::FramePool::Create(1 << 20);
  const auto result =
      RunPipeline({plan_, decoder, converter, endpoints, *pool, TestTimer()}, input_, observer_, cancel_, work_);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDataLoss) << result.status();
  const auto busy = [&] { return executor.queued() + executor.running() > 0; };
  EXPECT_TRUE(testing::WaitUntil([&] { return !busy(); }));
  work_.Cancel();
}

TEST_F(RunPipelineTest, RunsThatTogetherKeepBackMoreThanTheBudgetTakeTurns) {
  // Each keeps five pictures of 32x16 back; seven fit.
  auto analyzer = std::make_unique<FakeAnalyzer>(FakeAnalyzer::Description("chain", 0, 32));
  PlannedAnalyzer planned;
  planned.description = analyzer->Describe();
  planned.spec = *analysis::FromProto(planned.description.frame_spec());
  planned.description.mutable_sampling()->set_context_kind(analyzer::v1::Sampling::CONTEXT_KIND_SAMPLED);
  planned.description.mutable_sampling()->set_context_frames(5);
  plan_.analyzers.push_back(planned);
  analyzers_.push_back(std::move(analyzer));
  auto host = *analysis::AnalyzerHost::Create("fake", "1", std::move(analyzers_), 2);
  concurrency::FairExecutor executor({.thread_count = 2});
  const std::vector<Endpoint> endpoints = {{"fake", std::make_shared<analysis::LocalAnalyzerClient>(*host, executor)}};
  auto pool = analysis::FramePool::Create(7 * 32 * 16);
  cancel_.SetDeadline(CancelToken::Clock::now() + std::chrono::seconds(20));
  std::atomic<int> answered = 0;
  std::vector<std::thread> runs;
  for (int i = 0; i < 4; ++i) {
    runs.emplace_back([&] {
      FakeDecoder decoder(200);
      FakeConverter converter;
      const CancelToken work;
      work.SetDeadline(cancel_.deadline());
      const auto result =
          RunPipeline({plan_, decoder, converter, endpoints, *pool, TestTimer()}, input_, observer_, cancel_, work);
      if (result.ok() && Frames(result->outcomes[0]) == Range(200)) ++answered;
    });
  }
  for (std::thread& run : runs) run.join();
  EXPECT_EQ(answered, 4);
  EXPECT_EQ(pool->used_bytes(), 0);
}

TEST_F(RunPipelineTest, AnalyzersHearOfTheVideoTheSegmentsAndTheirRate) {
  Mutex mutex;
  analyzer::v1::VideoFacts of_frames;
  analyzer::v1::SummarizeRequest heard;
  Add("a", 2, 8)
      .OnFrames([&](const analysis::BatchView& view, const CancelToken&) {
        MutexLock lock(mutex);
        of_frames = *view.video;
        EXPECT_EQ(view.request_id, "r");
        return std::vector<std::string>(view.items.size());
      })
      .OnSummarize([&](const analyzer::v1::SummarizeRequest& request, const CancelToken&) {
        MutexLock lock(mutex);
        heard = request;
        return analyzer::v1::SummarizeResponse();
      });
  plan_.analyzers[0].description.mutable_sampling()->set_reference_min_interval(5);
  input_.profile = v1::AnalyzeRequest::REFERENCE;
  input_.segments = {{absl::Seconds(1), absl::Seconds(2)}, {absl::Seconds(3), absl::Seconds(99)}};
  const auto result = Run(40);
  ASSERT_TRUE(result.ok()) << result.status();
  for (const analyzer::v1::VideoFacts& facts : {of_frames, heard.video()}) {
    EXPECT_EQ(facts.width_px(), 64);
    EXPECT_EQ(facts.height_px(), 32);
    EXPECT_EQ(facts.frame_rate(), 10);
    EXPECT_EQ(facts.duration().seconds(), 4);
  }
  EXPECT_EQ(heard.sample_fps(), 1);  // max(5, 10 frames a second by no divisor).
  ASSERT_EQ(heard.segments_size(), 2);
  EXPECT_EQ(heard.segments(0).start_offset().seconds(), 1);
  EXPECT_EQ(heard.segments(0).end_offset().seconds(), 2);
  EXPECT_EQ(heard.segments(1).end_offset().seconds(), 4);
  EXPECT_EQ(result->feeder.frames_analyzed, 2);
  EXPECT_EQ(result->sent_bytes, 0);
}

TEST_F(RunPipelineTest, TheBudgetMustHoldAPictureWithItsContext) {
  const auto plan = [&] {
    plan_ = {};
    work_ = CancelToken();
    Add("a", 0, 1);
    auto& sampling = *plan_.analyzers[0].description.mutable_sampling();
    sampling.set_context_kind(analyzer::v1::Sampling::CONTEXT_KIND_SAMPLED);
    sampling.set_context_frames(2);
    Add("b", 0, 1);
    Add("broken", 0, 1);
    plan_.analyzers[2].status = absl::UnavailableError("away");
  };
  plan();
  EXPECT_TRUE(Run(5, true, 4 * 512).ok());
  plan();
  const absl::Status status = Run(5, true, 4 * 512 - 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetReason(status), "VIDEO_TOO_LARGE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("take 2048 bytes at once; the frame budget is 2047"));
}

TEST_F(RunPipelineTest, SkipsOnlyToSegmentsThatAreNotReachedYet) {
  Add("some", 2, 8);
  input_.segments = {{absl::ZeroDuration(), absl::Milliseconds(500)},
                     {absl::Milliseconds(500), absl::Seconds(1)},
                     {absl::Seconds(8), absl::Seconds(9)}};
  const auto result = Run(100);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Frames(result->outcomes[0]), "0,5,80,85");
  EXPECT_THAT(skips_, ElementsAre(absl::Seconds(8)));
  // One frame of each is looked at to see that it is over.
  EXPECT_EQ(result->frames_decoded, 11 + 11);
}

TEST_F(RunPipelineTest, ASegmentMayBeginJustBeforeTheEnd) {
  Add("some", 2, 8);
  input_.segments = {{absl::Milliseconds(9900), absl::Seconds(11)}};
  EXPECT_EQ(Frames(Run(100)->outcomes[0]), "99");
  plan_ = {};
  Add("some", 2, 8);
  input_.segments = {{absl::Seconds(10), absl::Seconds(11)}};
  EXPECT_EQ(Run(100).status().message(), "segments[0].start_offset: is 10s, but the video is only 10s long");
}

TEST_F(RunPipelineTest, ProgressIsToldTenTimesASecondAndAtTurns) {
  Add("all", 0, 8);
  int told = 0;
  observer_.on_progress = [&](const v1::AnalyzeStreamResponse::Progress& progress) {
    // The first frame fills no batch.
    if (++told == 1) {
      EXPECT_EQ(progress.analyzers(0).frames_done(), 0);
    }
  };
  const Stopwatch stopwatch;
  ASSERT_TRUE(Run(500).ok());
  // The turns: the first frame, the last frame, the last batch.
  EXPECT_LE(told, 3 + stopwatch.elapsed() / absl::Milliseconds(100));
}

TEST_F(RunPipelineTest, ProgressTellsHowFarDecodingIs) {
  for (const bool declared : {true, false}) {
    plan_ = {};
    Add("all", 0, 1);
    std::vector<v1::AnalyzeStreamResponse::Progress> told;
    observer_.on_progress = [&](const auto& progress) { told.push_back(progress); };
    // Longer than the interval, twice.
    frame_time_ = absl::Milliseconds(60);
    ASSERT_TRUE(Run(5, declared).ok());
    ASSERT_GE(told.size(), 3u);
    EXPECT_EQ(told[0].frames_decoded(), 1);
    bool decoding = true;
    for (const auto& progress : told) {
      if (progress.decoded_fraction() == 1) decoding = false;
      if (decoding) {
        EXPECT_FLOAT_EQ(progress.decoded_fraction(),
                        declared ? static_cast<float>(progress.frames_decoded() - 1) / 5 : 0);
      }
      ASSERT_EQ(progress.analyzers_size(), 1);
      EXPECT_EQ(progress.analyzers(0).analyzer(), "all");
      EXPECT_LE(progress.analyzers(0).frames_done(), progress.frames_decoded());
      const float share = static_cast<float>(progress.analyzers(0).frames_done()) / progress.frames_decoded();
      if (progress.analyzers(0).fraction() < 1) {
        EXPECT_LE(progress.analyzers(0).fraction(), std::min(0.99F, share * progress.decoded_fraction()) + 1e-6F);
      }
    }
    EXPECT_FALSE(decoding);
  }
}

TEST_F(RunPipelineTest, AnAnalyzerIsCompleteWhenItsResultIsThereAndNotBefore) {
  std::atomic<bool> quick_complete = false, slow_almost = false;
  Add("quick", 0, 8);
  Add("slow", 0, 8).OnSummarize([&](const auto&, const CancelToken& cancel) {
    while (!(quick_complete && slow_almost) && !cancel.cancelled()) std::this_thread::yield();
    return analyzer::v1::SummarizeResponse();
  });
  observer_.on_progress = [&](const v1::AnalyzeStreamResponse::Progress& progress) {
    if (progress.analyzers(0).fraction() == 1) quick_complete = true;
    if (progress.analyzers(1).fraction() == 0.99F && progress.analyzers(1).frames_done() == 20) slow_almost = true;
    EXPECT_LT(progress.analyzers(1).fraction(), 1);
  };
  work_.SetDeadline(CancelToken::Clock::now() + std::chrono::seconds(20));
  const auto result = Run(20);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(quick_complete && slow_almost);
  EXPECT_GT(result->summarize_time, absl::ZeroDuration());
  EXPECT_LT(result->summarize_time, absl::Hours(1));
}

TEST_F(RunPipelineTest, FramesThatTheTimeDidNotSufficeForAreMissing) {
  Add("quick", 0, 1);
  frame_time_ = absl::Milliseconds(5);
  work_.SetDeadline(CancelToken::Clock::now() + std::chrono::milliseconds(60));
  float decoded = 0;
  observer_.on_progress = [&](const auto& progress) { decoded = std::max(decoded, progress.decoded_fraction()); };
  const auto result = Run(1000);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(std::string(result->outcomes[0].status.message()), HasSubstr("not all frames were analysed in time"));
  EXPECT_LT(decoded, 1);
}

}  // namespace
}  // namespace reelsight::orchestrator
