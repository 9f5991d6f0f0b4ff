// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/summary_stage.h"

#include <map>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/analysis/local_analyzer_client.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"
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
    const auto services = MakeServiceCalls({{"fake", client}}, TestTimer(), nullptr, std::make_shared<AttemptLog>());
    return RunSummaries(plan_, input_, frames_, services, cancel_, observer);
  }

  AnalysisPlan plan_;
  SummaryStageInput input_{.request_id = "r"};
  std::vector<std::unique_ptr<analysis::Analyzer>> analyzers_;
  FakeFrames frames_;
  std::vector<int> order_;
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

}  // namespace
}  // namespace reelsight::orchestrator
