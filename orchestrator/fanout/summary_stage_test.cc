// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/summary_stage.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/analysis/local_analyzer_client.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"
#include "shared/base/stopwatch.h"
#include "shared/testing/fake_analyzer.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::ElementsAre;
using testing::FakeAnalyzer;
using ::testing::HasSubstr;
using ::testing::Pair;

concurrency::Timer& TestTimer() {
  static concurrency::Timer& timer = *new concurrency::Timer();
  return timer;
}

// Frame outcomes that are complete at once, but for those that a test holds back.
class FakeFrames final : public FrameOutcomeSource {
 public:
  std::map<std::string, FrameOutcome> outcomes;

  void Hold(const std::string& analyzer) {
    MutexLock lock(mutex_);
    held_.insert(analyzer);
  }
  void Release(const std::string& analyzer) {
    MutexLock lock(mutex_);
    held_.erase(analyzer);
    if (wake_) wake_();
  }
  void OnComplete(std::function<void()> wake) override {
    MutexLock lock(mutex_);
    wake_ = std::move(wake);
  }
  std::optional<FrameOutcome> TakeCompleteOutcome(const std::string& analyzer) override {
    MutexLock lock(mutex_);
    if (held_.contains(analyzer)) return std::nullopt;
    return outcomes[analyzer];
  }
  FrameOutcome TakeOutcome(const std::string& analyzer) override { return outcomes[analyzer]; }

 private:
  Mutex mutex_;
  std::set<std::string> held_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> wake_ ABSL_GUARDED_BY(mutex_);
};

class SummaryStageTest : public ::testing::Test {
 protected:
  FakeAnalyzer& Add(const std::string& name, const std::string& needs = "", bool optional = false) {
    analyzer::v1::AnalyzerDescription description = FakeAnalyzer::Description(name, 0, 8);
    if (!needs.empty()) {
      description.add_depends_on()->set_analyzer(needs);
      description.mutable_depends_on(0)->set_optional(optional);
    }
    PlannedAnalyzer planned;
    planned.description = description;
    plan_.analyzers.push_back(planned);
    auto analyzer = std::make_unique<FakeAnalyzer>(description);
    FakeAnalyzer& borrowed = *analyzer;
    analyzers_.push_back(std::move(analyzer));
    analyzer::v1::FrameResult frame;
    frame.set_payload("7");
    frames_.outcomes[name].results.push_back(frame);
    return borrowed;
  }

  std::vector<AnalyzerOutcome> Run() {
    auto host = *analysis::AnalyzerHost::Create("fake", "1", std::move(analyzers_), 1);
    concurrency::FairExecutor executor({.thread_count = 2});
    auto client = std::make_shared<analysis::LocalAnalyzerClient>(*host, executor);
    SummaryStageObserver observer;
    observer.on_outcome = [&](int place, const AnalyzerOutcome&) { order_.push_back(place); };
    observer.on_wait = on_wait_;
    const auto services = MakeServiceCalls({{"fake", client}}, TestTimer(), nullptr, std::make_shared<AttemptLog>());
    return RunSummaries(plan_, input_, frames_, services, cancel_, observer);
  }

  AnalysisPlan plan_;
  SummaryStageInput input_{.request_id = "r"};
  std::vector<std::unique_ptr<analysis::Analyzer>> analyzers_;
  FakeFrames frames_;
  std::vector<int> order_;
  std::function<void()> on_wait_;
  CancelToken cancel_;
};

std::string Field(const AnalyzerOutcome& outcome, const std::string& name) {
  return outcome.summary.custom().fields().at(name).string_value();
}

TEST_F(SummaryStageTest, DependantsGetTheSummariesTheyBuildOn) {
  Add("base");
  Add("top", "base");
  const auto outcomes = Run();
  ASSERT_TRUE(outcomes[1].status.ok()) << outcomes[1].status;
  EXPECT_EQ(Field(outcomes[1], "dependencies"), "base");
  EXPECT_EQ(Field(outcomes[1], "frames"), "7");
  EXPECT_THAT(order_, ElementsAre(0, 1));
}

TEST_F(SummaryStageTest, AnalyzersHearAtWhatRateTheirFramesWereTaken) {
  std::map<std::string, double> heard;
  Mutex mutex;
  for (const std::string name : {"every", "own", "asked"}) {
    Add(name).OnSummarize([&, name](const analyzer::v1::SummarizeRequest& request, const CancelToken&) {
      MutexLock lock(mutex);
      heard[name] = request.sample_fps();
      return analyzer::v1::SummarizeResponse();
    });
  }
  plan_.analyzers[1].description.mutable_sampling()->set_sample_fps(3);
  plan_.analyzers[2].description.mutable_sampling()->set_sample_fps(3);
  plan_.analyzers[2].sample_fps = 12;
  for (const AnalyzerOutcome& outcome : Run()) EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_THAT(heard, ElementsAre(Pair("asked", 12), Pair("every", 0), Pair("own", 3)));
}

TEST_F(SummaryStageTest, TheReferencesRateIsThatOfItsInterval) {
  double heard = 0;
  Add("a").OnSummarize([&](const analyzer::v1::SummarizeRequest& request, const CancelToken&) {
    heard = request.sample_fps();
    return analyzer::v1::SummarizeResponse();
  });
  plan_.analyzers[0].description.mutable_sampling()->set_reference_min_interval(10);
  plan_.analyzers[0].description.mutable_sampling()->set_reference_divisor(3);
  input_.profile = v1::AnalyzeRequest::REFERENCE;
  input_.video.set_frame_rate(60);
  ASSERT_TRUE(Run()[0].status.ok());
  // max(10, 60 / 3) frames apart.
  EXPECT_EQ(heard, 3);
}

TEST_F(SummaryStageTest, AFailedDependencyIsNamedAndAnOptionalOneForgiven) {
  Add("base");
  frames_.outcomes["base"].status = absl::UnavailableError("gone");
  Add("needs", "base");
  Add("likes", "base", true);
  const auto outcomes = Run();
  EXPECT_EQ(outcomes[0].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(outcomes[1].status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetReason(outcomes[1].status), "DEPENDENCY_FAILED");
  EXPECT_EQ(GetMetadata(outcomes[1].status, "dependency"), "base");
  ASSERT_TRUE(outcomes[2].status.ok()) << outcomes[2].status;
  EXPECT_EQ(Field(outcomes[2], "dependencies"), "");
}

TEST_F(SummaryStageTest, OneWhoseFramesAreDoneDoesNotWaitForTheFramesOfOthers) {
  Add("slow");
  Add("quick").OnSummarize([&](const auto&, const auto&) -> absl::StatusOr<analyzer::v1::SummarizeResponse> {
    frames_.Release("slow");
    return analyzer::v1::SummarizeResponse();
  });
  frames_.Hold("slow");
  cancel_.SetDeadline(CancelToken::Clock::now() + std::chrono::seconds(20));
  const auto outcomes = Run();
  ASSERT_TRUE(outcomes[1].status.ok()) << outcomes[1].status;
  ASSERT_TRUE(outcomes[0].status.ok()) << outcomes[0].status;
  EXPECT_EQ(Field(outcomes[0], "frames"), "7");
}

TEST_F(SummaryStageTest, AnalyzersWhoseFramesCameTooLateSaySo) {
  Add("late");
  frames_.Hold("late");
  cancel_.SetDeadline(CancelToken::Clock::now() + std::chrono::milliseconds(30));
  const absl::Status status = Run()[0].status;
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("not all frames"));
}

TEST_F(SummaryStageTest, ARetryMakesItGood) {
  int calls = 0;
  Add("shaky").OnSummarize([&](const auto&, const auto&) -> absl::StatusOr<analyzer::v1::SummarizeResponse> {
    if (++calls < 3) return absl::UnavailableError("lost");
    return analyzer::v1::SummarizeResponse();
  });
  EXPECT_TRUE(Run()[0].status.ok());
  EXPECT_EQ(calls, 3);
}

TEST_F(SummaryStageTest, CancelEndsTheWaitForASlowOne) {
  Add("slow").OnSummarize(
      [&](const auto&, const CancelToken& cancel) -> absl::StatusOr<analyzer::v1::SummarizeResponse> {
        while (!cancel.cancelled()) std::this_thread::yield();
        return cancel.status();
      });
  cancel_.SetDeadline(CancelToken::Clock::now() + std::chrono::milliseconds(30));
  EXPECT_EQ(Run()[0].status.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(SummaryStageTest, ACycleFailsInsteadOfHanging) {
  Add("a", "b");
  Add("b", "a");
  const auto outcomes = Run();
  EXPECT_EQ(outcomes[0].status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(outcomes[1].status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(outcomes[0].status.message(), "a builds on b, which builds on it in turn");
}

// Answers each Summarize on a thread of its own, when it has let go of the request.
class LettingGoClient final : public analysis::AnalyzerClient {
 public:
  void Describe(const CancelToken&, DescribeCallback done) override { done(absl::UnimplementedError("")); }
  void AnalyzeFrames(std::shared_ptr<const analysis::Batch>, const CancelToken&, BatchCallback done) override {
    done(absl::UnimplementedError(""));
  }
  void Summarize(std::shared_ptr<const analyzer::v1::SummarizeRequest> request, const CancelToken&,
                 SummarizeCallback done) override {
    requests.push_back(request);
    threads.emplace_back([request = std::move(request), done]() mutable {
      request.reset();
      done(analyzer::v1::SummarizeResponse());
    });
  }

  std::vector<std::weak_ptr<const analyzer::v1::SummarizeRequest>> requests;
  std::vector<std::thread> threads;
};

TEST_F(SummaryStageTest, ResultsOfFramesAreFreedBeforeTheOutcomeIsTold) {
  Add("a");
  auto client = std::make_shared<LettingGoClient>();
  SummaryStageObserver observer;
  observer.on_outcome = [&](int, const AnalyzerOutcome& outcome) {
    EXPECT_TRUE(outcome.frames.results.empty());
    EXPECT_TRUE(client->requests.at(0).expired());
  };
  const auto services = MakeServiceCalls({{"fake", client}}, TestTimer(), nullptr, std::make_shared<AttemptLog>());
  RunSummaries(plan_, {.request_id = "r"}, frames_, services, cancel_, observer);
  ASSERT_EQ(client->requests.size(), 1u);
  for (std::thread& thread : client->threads) thread.join();
}

TEST_F(SummaryStageTest, ARequestTellsAllOfTheRunThatItsAnalyzerNeeds) {
  analyzer::v1::SummarizeRequest heard;
  Add("failed");
  frames_.outcomes["failed"].status = absl::UnavailableError("gone");
  Add("base");
  Add("top", "base").OnSummarize([&](const analyzer::v1::SummarizeRequest& request, const CancelToken&) {
    heard = request;
    const Stopwatch stopwatch;
    while (stopwatch.elapsed() < absl::Milliseconds(2)) std::this_thread::yield();
    return analyzer::v1::SummarizeResponse();
  });
  for (const char* const name : {"failed", "nowhere"}) {
    analyzer::v1::Dependency& dependency = *plan_.analyzers[2].description.add_depends_on();
    dependency.set_analyzer(name);
    dependency.set_optional(true);
  }
  plan_.analyzers[2].options.set_type_url("mine");
  input_.video.set_width_px(320);
  for (const int second : {1, 7}) {
    analyzer::v1::Segment& segment = input_.segments.emplace_back();
    segment.mutable_start_offset()->set_seconds(second);
    segment.mutable_end_offset()->set_seconds(second + 1);
  }
  const auto outcomes = Run();
  ASSERT_TRUE(outcomes[2].status.ok()) << outcomes[2].status;
  EXPECT_EQ(heard.request_id(), "r");
  EXPECT_EQ(heard.analyzer(), "top");
  EXPECT_EQ(heard.video().width_px(), 320);
  EXPECT_EQ(heard.options().type_url(), "mine");
  ASSERT_EQ(heard.segments_size(), 2);
  EXPECT_EQ(heard.segments(1).start_offset().seconds(), 7);
  EXPECT_EQ(heard.segments(1).end_offset().seconds(), 8);
  ASSERT_EQ(heard.dependencies_size(), 3);
  EXPECT_EQ(heard.dependencies(0).analyzer(), "base");
  EXPECT_EQ(heard.dependencies(0).summary().headline(), "1 frames");
  EXPECT_EQ(heard.dependencies(1).analyzer(), "failed");
  EXPECT_FALSE(heard.dependencies(1).has_summary());
  EXPECT_EQ(heard.dependencies(2).analyzer(), "nowhere");
  EXPECT_FALSE(heard.dependencies(2).has_summary());
  EXPECT_GE(outcomes[2].summarize_time, absl::Milliseconds(2));
  EXPECT_LT(outcomes[2].summarize_time, absl::Hours(1));
}

TEST_F(SummaryStageTest, EachFailureSaysWhy) {
  Add("broken").OnSummarize([](const auto&, const auto&) -> absl::StatusOr<analyzer::v1::SummarizeResponse> {
    return absl::DataLossError("no sums today");
  });
  Add("needs", "broken");
  Add("lonely", "nowhere");
  Add("unplanned");
  plan_.analyzers[3].status = absl::FailedPreconditionError("weights");
  Add("well");
  const auto outcomes = Run();
  EXPECT_EQ(outcomes[0].status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(outcomes[1].status.message()), HasSubstr("needs builds on broken, which failed: "));
  EXPECT_THAT(std::string(outcomes[1].status.message()), HasSubstr("no sums today"));
  EXPECT_EQ(outcomes[2].status.message(), "lonely builds on nowhere, which is not part of the run");
  EXPECT_EQ(outcomes[3].status, absl::FailedPreconditionError("weights"));
  EXPECT_TRUE(outcomes[4].status.ok()) << outcomes[4].status;
  EXPECT_THAT(order_, ::testing::UnorderedElementsAre(0, 1, 2, 3, 4));
}

TEST_F(SummaryStageTest, AThirdMayBuildOnASecondThatBuildsOnAFirst) {
  std::atomic<int> done = 0;
  for (const auto& [name, needs, before] :
       {std::tuple{"first", "", 0}, std::tuple{"second", "first", 1}, std::tuple{"third", "second", 2}}) {
    Add(name, needs).OnSummarize([&done, expected = before](const auto&, const auto&) {
      EXPECT_EQ(done++, expected);
      return analyzer::v1::SummarizeResponse();
    });
  }
  for (const AnalyzerOutcome& outcome : Run()) EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(done, 3);
}

TEST_F(SummaryStageTest, FramesThatWereNeverHandedOutAreMissingThoughThoseThatWereAreDone) {
  for (const bool missing : {true, false}) {
    plan_ = {};
    cancel_ = CancelToken();
    Add("a");
    input_.frames_missing = missing;
    cancel_.Cancel(absl::DeadlineExceededError("over"));
    const absl::Status status = Run()[0].status;
    EXPECT_EQ(status.message(), missing ? "not all frames were analysed in time: over" : "over");
  }
}

TEST_F(SummaryStageTest, WhoWaitsIsAskedAgainAndAgain) {
  std::atomic<int> waits = 0;
  Add("patient").OnSummarize(
      [&](const auto&, const CancelToken& cancel) -> absl::StatusOr<analyzer::v1::SummarizeResponse> {
        while (waits < 3 && !cancel.cancelled()) std::this_thread::yield();
        return analyzer::v1::SummarizeResponse();
      });
  cancel_.SetDeadline(CancelToken::Clock::now() + std::chrono::seconds(20));
  on_wait_ = [&] { ++waits; };
  EXPECT_TRUE(Run()[0].status.ok());
  EXPECT_GE(waits, 3);
}

}  // namespace
}  // namespace reelsight::orchestrator
