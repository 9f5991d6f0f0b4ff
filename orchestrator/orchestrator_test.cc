// SPDX-License-Identifier: Apache-2.0
//
// The whole orchestrator on real clips, with fake analyzers.
#include "orchestrator/orchestrator.h"

#include <atomic>
#include <future>
#include <map>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/analysis/local_analyzer_client.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"
#include "shared/testing/clips.h"
#include "shared/testing/fake_analyzer.h"
#include "shared/testing/wait.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::ElementsAre;
using testing::FakeAnalyzer;

// 50 frames, two seconds.
std::string Clip() { return testing::GenerateClip(testing::TestPicture(96, 64, 50)); }

// An analyzer that works until it is cancelled, and says when it begins.
struct Blocker {
  struct State {
    std::promise<void> started;
    std::atomic<bool> cancelled = false;
    std::atomic<bool> first = true;
  };
  // Shared, because the analyzer may still be at its last look when the run, and with it the test, is over.
  const std::shared_ptr<State> state = std::make_shared<State>();
  std::promise<void>& started = state->started;
  std::atomic<bool>& cancelled = state->cancelled;

  FakeAnalyzer::FramesHook Hook() const {
    return [state = state](const analysis::BatchView&,
                           const CancelToken& cancel) -> absl::StatusOr<std::vector<std::string>> {
      if (state->first.exchange(false)) state->started.set_value();
      EXPECT_TRUE(testing::WaitUntil([&] { return cancel.cancelled(); }));
      state->cancelled = true;
      return cancel.status();
    };
  }
};

// Keeps the places in the queue that it hears of.
class PlaceListener final : public RunObserver {
 public:
  void OnVideo(const v1::VideoInfo&) override {}
  void OnResult(const v1::AnalyzerResult&) override {}
  void OnProgress(const v1::AnalyzeStreamResponse::Progress& progress) override {
    MutexLock lock(mutex_);
    places_.push_back(progress.queue_position());
    changed_.NotifyAll();
  }
  // Blocks until it has heard of `place`; all that it heard until then.
  std::vector<int> WaitFor(int place) {
    MutexLock lock(mutex_);
    while (places_.empty() || places_.back() != place) changed_.Wait(mutex_);
    return places_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<int> places_ ABSL_GUARDED_BY(mutex_);
};

class OrchestratorTest : public ::testing::Test {
 protected:
  void SetUp() override { config_.mutable_sources()->set_allow_any_file(true); }

  FakeAnalyzer& Add(const std::string& name, double fps = 0, int batch = 8) {
    auto analyzer = std::make_unique<FakeAnalyzer>(FakeAnalyzer::Description(name, fps, batch));
    FakeAnalyzer& borrowed = *analyzer;
    analyzers_.push_back(std::move(analyzer));
    return borrowed;
  }

  Orchestrator& Make() {
    host_ = *analysis::AnalyzerHost::Create("fake", "1", std::move(analyzers_), parallelism_);
    executor_ = std::make_unique<concurrency::FairExecutor>(concurrency::FairExecutor::Options{.thread_count = 2});
    std::vector<Endpoint> clients;
    clients.push_back({.name = "fake", .client = std::make_shared<analysis::LocalAnalyzerClient>(*host_, *executor_)});
    auto made = Orchestrator::Create(config_, std::move(clients));
    EXPECT_TRUE(made.ok()) << made.status();
    orchestrator_ = *std::move(made);
    return *orchestrator_;
  }

  // A server that `blocker` keeps busy from its first run on, with room for some that wait.
  Orchestrator& MakeForOneRun(Blocker& blocker, int max_waiting = 1) {
    Add("slow").OnFrames(blocker.Hook());
    config_.set_max_concurrent_runs(1);
    config_.set_max_queued_runs(max_waiting);
    return Make();
  }

  void Start(const CancelToken& cancel, const DoneCallback& done, RunObserver* observer = nullptr,
             const std::string& id = "") {
    orchestrator_->StartRun(std::make_shared<v1::AnalyzeRequest>(Request(Clip(), id)), observer, cancel, done);
  }

  static v1::AnalyzeRequest Request(const std::string& path, const std::string& id = "") {
    v1::AnalyzeRequest request;
    request.set_uri(path);
    request.set_request_id(id);
    return request;
  }

  // What the service says of itself; it has two workers.
  int parallelism_ = 2;
  config::v1::OrchestratorConfig config_;
  std::vector<std::unique_ptr<analysis::Analyzer>> analyzers_;
  std::unique_ptr<analysis::AnalyzerHost> host_;
  std::unique_ptr<concurrency::FairExecutor> executor_;
  std::unique_ptr<Orchestrator> orchestrator_;
};

TEST_F(OrchestratorTest, AnswersForEveryAnalyzerOnARealClip) {
  Add("all");
  Add("some", 5);
  const auto response = Make().AnalyzeAndWait(Request(Clip()), nullptr, CancelToken());
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->results_size(), 2);
  EXPECT_EQ(response->results(0).timing().frame_count(), 50);
  EXPECT_EQ(response->results(1).timing().frame_count(), 10);
  EXPECT_EQ(response->stats().frames_decoded(), 50);
  EXPECT_EQ(response->video().codec(), "h264");
  ASSERT_EQ(response->timeline().scenes_size(), 1);
  EXPECT_EQ(analysis::FromProto(response->timeline().scenes(0).end_offset()), absl::Seconds(2));
}

TEST_F(OrchestratorTest, TheSameRequestIdGetsTheSameRun) {
  std::atomic<int> summaries = 0;
  Add("all").OnSummarize([&](const auto&, const auto&) {
    ++summaries;
    return analyzer::v1::SummarizeResponse();
  });
  Orchestrator& orchestrator = Make();
  ASSERT_TRUE(orchestrator.AnalyzeAndWait(Request(Clip(), "id"), nullptr, CancelToken()).ok());
  const auto again = orchestrator.AnalyzeAndWait(Request(Clip(), "id"), nullptr, CancelToken());
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->stats().replayed());
  EXPECT_EQ(summaries, 1);
  v1::AnalyzeRequest other = Request(Clip(), "id");
  other.add_analyzers("all");
  EXPECT_EQ(GetReason(orchestrator.AnalyzeAndWait(other, nullptr, CancelToken()).status()), "REQUEST_ID_REUSED");
}

TEST_F(OrchestratorTest, WhenTheCallerGoesTheWorkStops) {
  Blocker blocker;
  Add("slow").OnFrames(blocker.Hook());
  Orchestrator& orchestrator = Make();
  CancelToken cancel;
  std::thread caller([&] {
    blocker.started.get_future().wait();
    cancel.Cancel();
  });
  EXPECT_EQ(orchestrator.AnalyzeAndWait(Request(Clip()), nullptr, cancel).status().code(),
            absl::StatusCode::kCancelled);
  caller.join();
  EXPECT_TRUE(testing::WaitUntil([&] { return orchestrator.active_runs() == 0; }));
  EXPECT_TRUE(testing::WaitUntil([&] { return blocker.cancelled.load(); }));
}

TEST_F(OrchestratorTest, BeforeTheDeadlineTheOthersAnswersAreDelivered) {
  Add("quick", 5);
  Blocker blocker;
  Add("slow").OnSummarize(
      [](const auto&, const CancelToken& cancel) -> absl::StatusOr<analyzer::v1::SummarizeResponse> {
        EXPECT_TRUE(testing::WaitUntil([&] { return cancel.cancelled(); }));
        return cancel.status();
      });
  CancelToken cancel;
  cancel.SetDeadline(CancelToken::Clock::now() + std::chrono::seconds(5));
  const auto response = Make().AnalyzeAndWait(Request(Clip()), nullptr, cancel);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->results(0).status().code(), v1::AnalyzerStatus::OK);
  EXPECT_EQ(response->results(1).status().code(), v1::AnalyzerStatus::DEADLINE_EXCEEDED);
}

TEST_F(OrchestratorTest, WithARequestIdTheOthersAnswersAreDeliveredTooAndTheRestIsTriedAnew) {
  Add("quick", 5);
  std::atomic<bool> slow = true;
  Add("slow").OnSummarize(
      [&](const auto&, const CancelToken& cancel) -> absl::StatusOr<analyzer::v1::SummarizeResponse> {
        EXPECT_TRUE(testing::WaitUntil([&] { return !slow || cancel.cancelled(); }));
        RETURN_IF_ERROR(cancel.status());
        return analyzer::v1::SummarizeResponse();
      });
  Orchestrator& orchestrator = Make();
  CancelToken cancel;
  cancel.SetDeadline(CancelToken::Clock::now() + std::chrono::seconds(5));
  const auto partial = orchestrator.AnalyzeAndWait(Request(Clip(), "id"), nullptr, cancel);
  ASSERT_TRUE(partial.ok()) << partial.status();
  EXPECT_EQ(partial->results(0).status().code(), v1::AnalyzerStatus::OK);
  EXPECT_EQ(partial->results(1).status().code(), v1::AnalyzerStatus::DEADLINE_EXCEEDED);
  slow = false;
  const auto whole = orchestrator.AnalyzeAndWait(Request(Clip(), "id"), nullptr, CancelToken());
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->results(1).status().code(), v1::AnalyzerStatus::OK);
  EXPECT_FALSE(whole->stats().replayed());
}

TEST_F(OrchestratorTest, StatsCountTheModelCacheOfSummariesToo) {
  for (const char* name : {"first", "second"}) {
    Add(name).OnSummarize([](const auto&, const CancelToken&) {
      analyzer::v1::SummarizeResponse response;
      response.set_cache_hits(2);
      response.set_cache_misses(1);
      return absl::StatusOr<analyzer::v1::SummarizeResponse>(response);
    });
  }
  const auto response = Make().AnalyzeAndWait(Request(Clip()), nullptr, CancelToken());
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->stats().cache_hits(), 4);
  EXPECT_EQ(response->stats().cache_misses(), 2);
}

TEST_F(OrchestratorTest, IsHealthyWhileAnAnalyzerCanBeUsed) {
  Add("all");
  EXPECT_TRUE(Make().Health().ok());
  auto off = FakeAnalyzer::Description("off", 0, 8);
  off.set_available(false);
  off.set_unavailable_reason("pull its weights");
  orchestrator_.reset();
  analyzers_.clear();
  analyzers_.push_back(std::make_unique<FakeAnalyzer>(off));
  const absl::Status unhealthy = Make().Health();
  EXPECT_EQ(unhealthy.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(unhealthy.message()), ::testing::HasSubstr("off: pull its weights"));
}

TEST_F(OrchestratorTest, AFullServerSaysWhenToComeBack) {
  Blocker blocker;
  Orchestrator& orchestrator = MakeForOneRun(blocker);
  CancelToken cancel;
  std::atomic<int> ended = 0;
  Start(cancel, [&](auto) { ++ended; });
  blocker.started.get_future().wait();
  Start(cancel, [&](auto) { ++ended; });
  absl::Status refused;
  Start(cancel, [&](auto result) { refused = result.status(); });
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(refused), "SERVER_BUSY");
  EXPECT_GT(GetRetryDelay(refused), absl::ZeroDuration());
  cancel.Cancel();
  EXPECT_EQ(ended, 2);
  EXPECT_TRUE(testing::WaitUntil([&] { return orchestrator.active_runs() == 0; }));
}

TEST_F(OrchestratorTest, AWaitingRunWhoseCallerGoesLeavesItsPlaceToAnother) {
  Blocker blocker;
  Orchestrator& orchestrator = MakeForOneRun(blocker);
  CancelToken first;
  std::promise<void> first_ended;
  Start(first, [&](auto) { first_ended.set_value(); });
  blocker.started.get_future().wait();
  for (int i = 0; i < 20; ++i) {
    CancelToken waiting;
    absl::StatusCode code = absl::StatusCode::kOk;
    Start(waiting, [&](auto result) { code = result.status().code(); });
    EXPECT_EQ(orchestrator.active_runs(), 2);
    waiting.Cancel();
    EXPECT_EQ(code, absl::StatusCode::kCancelled);
    EXPECT_EQ(orchestrator.active_runs(), 1);
  }
  first.Cancel();
  first_ended.get_future().wait();
  EXPECT_TRUE(testing::WaitUntil([&] { return orchestrator.active_runs() == 0; }));
}

TEST_F(OrchestratorTest, WaitingCallersSeeTheirPlaceAsTheQueueMoves) {
  Blocker blocker;
  (void)MakeForOneRun(blocker, 3);
  struct Call {
    CancelToken cancel;
    PlaceListener places;
    std::promise<void> ended;
  };
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 4; ++i) {
    Call& call = *calls.emplace_back(std::make_unique<Call>());
    Start(
        call.cancel, [&call](auto) { call.ended.set_value(); }, &call.places, i == 2 ? "shared" : "");
    if (i == 0) blocker.started.get_future().wait();
    if (i > 0) {
      EXPECT_THAT(call.places.WaitFor(i), ElementsAre(i));
    }
  }
  // Somebody who joins a run that waits hears of its place at once.
  Call late;
  Start(
      late.cancel, [&late](auto) { late.ended.set_value(); }, &late.places, "shared");
  EXPECT_THAT(late.places.WaitFor(2), ElementsAre(2));
  // One leaves: who stood behind it moves up.
  calls[1]->cancel.Cancel();
  EXPECT_THAT(calls[2]->places.WaitFor(1), ElementsAre(2, 1));
  EXPECT_THAT(late.places.WaitFor(1), ElementsAre(2, 1));
  EXPECT_THAT(calls[3]->places.WaitFor(2), ElementsAre(3, 2));
  // The first ends: the next starts.
  calls[0]->cancel.Cancel();
  EXPECT_THAT(calls[3]->places.WaitFor(1), ElementsAre(3, 2, 1));
  (void)calls[2]->places.WaitFor(0);
  (void)late.places.WaitFor(0);
  for (const auto& call : calls) call->cancel.Cancel();
  late.cancel.Cancel();
  for (const auto& call : calls) call->ended.get_future().wait();
  late.ended.get_future().wait();
}

TEST_F(OrchestratorTest, ARunHasNoMoreBatchesUnderWayThanTheServiceWorksOn) {
  Mutex mutex;
  CondVar changed;
  int running = 0;
  int most = 0;
  Add("all").OnFrames([&](const analysis::BatchView& view, const CancelToken&) {
    MutexLock lock(mutex);
    most = std::max(most, ++running);
    changed.NotifyAll();
    // Time for another to come; with one at once none does.
    const auto limit = CancelToken::Clock::now() + std::chrono::milliseconds(100);
    while (most < 2 && CancelToken::Clock::now() < limit) changed.WaitUntil(mutex, limit);
    --running;
    std::vector<std::string> payloads;
    for (const auto& item : view.items) {
      if (item.target) payloads.push_back("");
    }
    return absl::StatusOr<std::vector<std::string>>(payloads);
  });
  parallelism_ = 1;
  ASSERT_TRUE(Make().AnalyzeAndWait(Request(Clip()), nullptr, CancelToken()).ok());
  MutexLock lock(mutex);
  EXPECT_EQ(most, 1);
}

TEST_F(OrchestratorTest, ADrainingServerRefusesNewRunsAndFinishesOldOnes) {
  Add("all");
  Orchestrator& orchestrator = Make();
  orchestrator.BeginDrain();
  const absl::Status refused = orchestrator.AnalyzeAndWait(Request(Clip()), nullptr, CancelToken()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetReason(refused), "SERVER_DRAINING");
}

TEST_F(OrchestratorTest, WrongRequestsNameTheirFault) {
  Add("all");
  Orchestrator& orchestrator = Make();
  v1::AnalyzeRequest unknown = Request(Clip());
  unknown.add_analyzers("nothing");
  EXPECT_EQ(GetReason(orchestrator.AnalyzeAndWait(unknown, nullptr, CancelToken()).status()), "UNKNOWN_ANALYZER");
  v1::AnalyzeRequest late = Request(Clip());
  late.add_segments()->mutable_start_offset()->set_seconds(2);
  late.mutable_segments(0)->mutable_end_offset()->set_seconds(3);
  EXPECT_EQ(GetMetadata(orchestrator.AnalyzeAndWait(late, nullptr, CancelToken()).status(), "field"),
            "segments[0].start_offset");
  EXPECT_EQ(orchestrator.AnalyzeAndWait(Request("/nowhere.mp4"), nullptr, CancelToken()).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(OrchestratorTest, EventsComeInOrderAndOnlyForWhatWasAsked) {
  Add("base");
  Add("top");
  struct Recorder final : RunObserver {
    void OnVideo(const v1::VideoInfo&) override { events += "video "; }
    void OnResult(const v1::AnalyzerResult& result) override { events += result.analyzer() + " "; }
    std::string events;
  } recorder;
  v1::AnalyzeRequest request = Request(Clip());
  request.add_analyzers("top");
  ASSERT_TRUE(Make().AnalyzeAndWait(request, &recorder, CancelToken()).ok());
  EXPECT_EQ(recorder.events, "video top ");
}

TEST_F(OrchestratorTest, SparseSamplingSeesTheSameFramesWithAndWithoutSkipping) {
  // With an analyzer of every frame all are decoded; without, most need not be.
  Add("some", 2);
  Add("all");
  Orchestrator& orchestrator = Make();
  const std::string clip = testing::GenerateClip(
      testing::Join(testing::TestPicture(96, 64, 200), {"-g", "25", "-bf", "2", "-c:v", "libx264"}));
  v1::AnalyzeRequest sparse = Request(clip);
  sparse.add_analyzers("some");
  const auto skipped = orchestrator.AnalyzeAndWait(sparse, nullptr, CancelToken());
  const auto full = orchestrator.AnalyzeAndWait(Request(clip), nullptr, CancelToken());
  ASSERT_TRUE(skipped.ok() && full.ok()) << skipped.status() << full.status();
  // The order of a map's entries is not fixed.
  EXPECT_EQ(skipped->results(0).custom().DebugString(), full->results(1).custom().DebugString());
  EXPECT_LT(skipped->stats().frames_decoded(), full->stats().frames_decoded());
}

}  // namespace
}  // namespace reelsight::orchestrator
