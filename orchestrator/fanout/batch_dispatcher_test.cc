// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/batch_dispatcher.h"

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/fanout/scripted_client_test_support.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"
#include "shared/base/test_pause.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::ElementsAre;

TEST(BatchDispatcherTest, PutsResultsInOrderHoweverTheyCome) {
  CancelToken cancel;
  std::vector<std::function<void()>> held;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr batch, const CancelToken&, auto done) { held.push_back([=] { done(Answer(*batch)); }); }, cancel, 3);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {0, 1})).ok());
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {2})).ok());
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {3})).ok());
  for (const int i : {2, 0, 1}) held[i]();
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  EXPECT_THAT(Indexes(dispatcher.TakeOutcome("a")), ElementsAre(0, 1, 2, 3));
}

TEST(BatchDispatcherTest, AnOutcomeIsCompleteWhenNoneOfItsBatchesIsLeft) {
  CancelToken cancel;
  std::vector<std::function<void()>> held;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr batch, const CancelToken&, auto done) { held.push_back([=] { done(Answer(*batch)); }); }, cancel, 3);
  int wakes = 0;
  dispatcher.OnComplete([&] { ++wakes; });
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a", "b"}, {0})).ok());
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"b"}, {1})).ok());
  EXPECT_FALSE(dispatcher.TakeCompleteOutcome("a").has_value());
  held[0]();
  EXPECT_EQ(wakes, 1);
  EXPECT_THAT(Indexes(dispatcher.TakeCompleteOutcome("a").value()), ElementsAre(0));
  EXPECT_FALSE(dispatcher.TakeCompleteOutcome("b").has_value());
  EXPECT_TRUE(dispatcher.TakeCompleteOutcome("never asked").value().results.empty());
  EXPECT_EQ(dispatcher.frames_done()["a"], 1);
  held[1]();
  EXPECT_THAT(Indexes(dispatcher.TakeCompleteOutcome("b").value()), ElementsAre(0, 1));
  dispatcher.OnComplete(nullptr);
}

TEST(BatchDispatcherTest, BoundsWhatIsUnderWayAndBlocksTheSubmitter) {
  CancelToken cancel;
  Mutex mutex;
  std::vector<std::function<void()>> held;
  std::atomic<int> submitted = 0;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr batch, const CancelToken&, auto done) {
        MutexLock lock(mutex);
        held.push_back([=] { done(Answer(*batch)); });
      },
      cancel, 1);
  std::promise<void> waits;
  const PauseForTest pause("BatchDispatcher::Submit", [&] { waits.set_value(); });
  std::thread submitter([&] {
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {i})).ok());
      ++submitted;
    }
  });
  waits.get_future().wait();
  EXPECT_EQ(submitted, 2);  // One under way, one waits, the third blocks.
  for (int i = 0; i < 3; ++i) {
    std::function<void()> finish;
    while (!finish) {
      MutexLock lock(mutex);
      ASSERT_LE(held.size(), 1u);
      if (!held.empty()) {
        finish = held.back();
        held.clear();
      }
    }
    finish();
  }
  submitter.join();
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  EXPECT_EQ(dispatcher.frames_done()["a"], 3);
}

TEST(BatchDispatcherTest, TriesAgainWhenUnavailable) {
  CancelToken cancel;
  std::atomic<int> attempts = 0;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr batch, const CancelToken&, auto done) {
        if (++attempts < 3) return done(absl::UnavailableError("connection lost"));
        done(Answer(*batch));
      },
      cancel);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {0})).ok());
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  const FrameOutcome outcome = dispatcher.TakeOutcome("a");
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.retry_count, 2);
  EXPECT_EQ(outcome.frames_done, 1);
}

TEST(BatchDispatcherTest, GivesUpAfterTheRetryBudgetAndDropsWhatWaits) {
  CancelToken cancel;
  std::atomic<int> attempts = 0;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr, const CancelToken&, auto done) {
        ++attempts;
        done(absl::UnavailableError("connection refused"));
      },
      cancel, 1, 1);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {0})).ok());
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {1})).ok());
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  EXPECT_EQ(attempts, 2);  // The second batch was dropped unsent.
  EXPECT_TRUE(dispatcher.failed("a"));
  const absl::Status status = dispatcher.TakeOutcome("a").status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetReason(status), "RETRY_BUDGET_SPENT");
}

TEST(BatchDispatcherTest, AllBatchesOfARunShareOneRetryBudget) {
  // Each batch fails once and would then succeed; the budget of the run is for fewer than there are.
  constexpr int kBudget = 20;
  CancelToken cancel;
  Mutex mutex;
  std::map<int64_t, int> tries;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr batch, const CancelToken&, auto done) {
        bool first = false;
        {
          MutexLock lock(mutex);
          first = ++tries[batch->work[0].target_indexes[0]] == 1;
        }
        if (first) return done(absl::UnavailableError("connection refused"));
        done(Answer(*batch));
      },
      cancel, kBudget + 5, 1000);
  for (int i = 0; i < kBudget; ++i) ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {i})).ok());
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  EXPECT_FALSE(dispatcher.failed("a"));
  EXPECT_EQ(dispatcher.TakeOutcome("a").retry_count, kBudget);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"b"}, {kBudget})).ok());
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  EXPECT_EQ(GetReason(dispatcher.TakeOutcome("b").status), "RETRY_BUDGET_SPENT");
  EXPECT_EQ(tries[kBudget], 1);
}

TEST(BatchDispatcherTest, NoMoreIsUnderWayThanTheServiceWorksOn) {
  std::vector<Endpoint> endpoints(3);
  for (Endpoint& endpoint : endpoints) endpoint.max_in_flight_batches = 4;
  std::vector<EndpointSnapshot> services(3);
  services[0].description.set_parallelism(2);
  services[1].description.set_parallelism(9);
  std::vector<int> most;
  for (const Endpoint& endpoint : WithinParallelism(endpoints, services)) {
    most.push_back(endpoint.max_in_flight_batches);
  }
  // The third does not say.
  EXPECT_THAT(most, ElementsAre(2, 4, 4));
  // Nor one that never answered.
  services.resize(1);
  EXPECT_EQ(WithinParallelism(endpoints, services)[0].max_in_flight_batches, 2);
  EXPECT_EQ(WithinParallelism(endpoints, services)[1].max_in_flight_batches, 4);
  services[0].description.set_parallelism(1);
  EXPECT_EQ(WithinParallelism(endpoints, services)[0].max_in_flight_batches, 1);
}

TEST(BatchDispatcherTest, AFinalFailureIsNotTriedAgain) {
  CancelToken cancel;
  std::atomic<int> attempts = 0;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr, const CancelToken&, auto done) {
        ++attempts;
        done(absl::InternalError("bug"));
      },
      cancel);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {0})).ok());
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  EXPECT_EQ(attempts, 1);
}

TEST(BatchDispatcherTest, OneAnalyzersFailureLeavesTheOtherAndStopsItsWork) {
  CancelToken cancel;
  std::vector<size_t> works;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr batch, const CancelToken&, auto done) {
        works.push_back(batch->work.size());
        auto answer = Answer(*batch);
        if (batch->work[0].analyzer == "bad") {
          *answer.mutable_results(0)->mutable_failure() = analysis::ToFailure(absl::FailedPreconditionError("weights"));
        }
        done(std::move(answer));
      },
      cancel);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"bad", "good"}, {0})).ok());
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"bad", "good"}, {1})).ok());
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  EXPECT_THAT(works, ElementsAre(2, 1));
  EXPECT_EQ(dispatcher.TakeOutcome("bad").status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Indexes(dispatcher.TakeOutcome("good")), ElementsAre(0, 1));
}

TEST(BatchDispatcherTest, AnswersForOtherFramesAreRefused) {
  CancelToken cancel;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr batch, const CancelToken&, auto done) {
        auto answer = Answer(*batch);
        answer.mutable_results(0)->mutable_results(0)->set_index(99);
        done(std::move(answer));
      },
      cancel);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {0})).ok());
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  EXPECT_EQ(dispatcher.TakeOutcome("a").status.code(), absl::StatusCode::kInternal);
}

TEST(BatchDispatcherTest, ASlowServiceIsCutByItsTimeout) {
  CancelToken cancel;
  std::vector<std::thread> workers;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr, const CancelToken& token, auto done) {
        workers.emplace_back([=] {
          while (token.status().ok()) std::this_thread::yield();
          done(token.status());
        });
      },
      cancel, 2, 3, absl::Milliseconds(30));
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {0})).ok());
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  EXPECT_EQ(dispatcher.TakeOutcome("a").status.code(), absl::StatusCode::kDeadlineExceeded);
  for (std::thread& worker : workers) worker.join();
}

TEST(BatchDispatcherTest, WithoutATimeoutAnAttemptEndsWithTheRun) {
  CancelToken cancel;
  const auto end = CancelToken::Clock::now() + std::chrono::hours(3);
  cancel.SetDeadline(end);
  std::atomic<bool> ends_with_run = false;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr, const CancelToken& token, auto done) {
        ends_with_run = token.deadline() == end;
        done(absl::InternalError("enough"));
      },
      cancel, 2, 3, absl::InfiniteDuration());
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {0})).ok());
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  EXPECT_TRUE(ends_with_run);
}

TEST(BatchDispatcherTest, CancelReachesTheCallsAndTheWaiters) {
  CancelToken cancel;
  std::atomic<bool> seen = false;
  std::vector<std::thread> workers;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr, const CancelToken& token, auto done) {
        workers.emplace_back([&seen, token, done] {
          while (token.status().ok()) std::this_thread::yield();
          seen = true;
          done(token.status());
        });
      },
      cancel, 1);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {0})).ok());
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {1})).ok());
  std::thread canceller([&] { cancel.Cancel(); });
  EXPECT_EQ(dispatcher.Submit(0, MakeBatch({"a"}, {2})).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(dispatcher.WaitIdle(absl::Hours(24)).status().code(), absl::StatusCode::kCancelled);
  canceller.join();
  for (std::thread& worker : workers) worker.join();
  EXPECT_TRUE(seen);
}

TEST(BatchDispatcherTest, ItMayGoAsSoonAsItIsIdleThoughTheLastAnswerIsStillOnItsWay) {
  CancelToken cancel;
  std::function<void()> answer;
  auto dispatcher = std::make_unique<BatchDispatcher>(MakeDispatcher(
      [&](BatchPtr batch, const CancelToken&, auto done) { answer = [=] { done(Answer(*batch)); }; }, cancel));
  ASSERT_TRUE(dispatcher->Submit(0, MakeBatch({"a"}, {0})).ok());
  const PauseForTest pause("BatchDispatcher::EndBatch", [&] {
    EXPECT_TRUE(*dispatcher->WaitIdle(absl::Hours(24)));
    dispatcher.reset();
  });
  std::exchange(answer, nullptr)();
  EXPECT_TRUE(pause.reached());
}

TEST(BatchDispatcherTest, AtLeastOneBatchMayBeUnderWay) {
  CancelToken cancel;
  BatchDispatcher dispatcher =
      MakeDispatcher([&](BatchPtr batch, const CancelToken&, auto done) { done(Answer(*batch)); }, cancel, 0);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {0})).ok());
  EXPECT_EQ(dispatcher.frames_done()["a"], 1);
  EXPECT_EQ(Endpoint().max_in_flight_batches, 4);
  EXPECT_EQ(Endpoint().max_retries, 3);
}

}  // namespace
}  // namespace reelsight::orchestrator
