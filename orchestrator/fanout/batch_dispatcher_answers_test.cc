// SPDX-License-Identifier: Apache-2.0
//
// What the dispatcher makes of answers: those it refuses, what it counts, and whom it tells.
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/fanout/batch_dispatcher.h"
#include "orchestrator/fanout/scripted_client_test_support.h"
#include "shared/base/status.h"
#include "shared/base/stopwatch.h"

namespace reelsight::orchestrator {
namespace {

using ::testing::ElementsAre;

TEST(BatchDispatcherAnswersTest, AnswersOfAnotherShapeAreRefused) {
  using Spoil = std::function<void(analyzer::v1::AnalyzeFramesResponse&)>;
  const std::string other_frames = "a answered other frames than it was asked for";
  const std::vector<std::pair<Spoil, std::string>> spoils = {
      {[](auto& answer) { answer.clear_results(); }, "service peer answered 0 analyzers instead of 1"},
      {[](auto& answer) { *answer.add_results() = answer.results(0); },
       "service peer answered 2 analyzers instead of 1"},
      {[](auto& answer) { answer.mutable_results(0)->set_analyzer("b"); }, other_frames},
      {[](auto& answer) { answer.mutable_results(0)->set_analyzer("A"); }, other_frames},
      {[](auto& answer) { answer.mutable_results(0)->add_results()->set_index(6); }, other_frames},
      {[](auto& answer) { answer.mutable_results(0)->mutable_results()->RemoveLast(); }, other_frames},
      {[](auto& answer) { answer.mutable_results(0)->mutable_results(0)->set_index(3); }, other_frames},
      {[](auto& answer) { answer.mutable_results(0)->mutable_results(1)->set_index(4); }, other_frames},
  };
  for (const auto& [spoil, message] : spoils) {
    CancelToken cancel;
    BatchDispatcher dispatcher = MakeDispatcher(
        [&, spoil = spoil](BatchPtr batch, const CancelToken&, auto done) {
          auto answer = Answer(*batch);
          spoil(answer);
          done(std::move(answer));
        },
        cancel);
    ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {4, 5})).ok());
    ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
    const FrameOutcome outcome = dispatcher.TakeOutcome("a");
    EXPECT_EQ(outcome.status.code(), absl::StatusCode::kInternal);
    EXPECT_EQ(outcome.status.message(), message);
    EXPECT_TRUE(outcome.results.empty());
    EXPECT_EQ(outcome.frames_done, 0);
    EXPECT_EQ(outcome.batch_count, 1);
  }
}

TEST(BatchDispatcherAnswersTest, AFailedBatchGivesUpAllOfItsAnalyzers) {
  CancelToken cancel;
  BatchDispatcher dispatcher =
      MakeDispatcher([&](BatchPtr, const CancelToken&, auto done) { done(absl::InternalError("bug")); }, cancel);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a", "b", "c"}, {0})).ok());
  for (const char* const name : {"a", "b", "c"}) {
    EXPECT_TRUE(dispatcher.failed(name)) << name;
    EXPECT_EQ(dispatcher.TakeOutcome(name).status, absl::InternalError("service peer: bug"));
    EXPECT_EQ(dispatcher.TakeOutcome(name).batch_count, 1);
  }
}

TEST(BatchDispatcherAnswersTest, CountsOfAllBatchesAddUp) {
  CancelToken cancel;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr batch, const CancelToken&, auto done) {
        const Stopwatch stopwatch;
        while (stopwatch.elapsed() < absl::Milliseconds(2)) std::this_thread::yield();
        auto answer = Answer(*batch);
        answer.mutable_results(0)->set_cache_hits(3);
        answer.mutable_results(0)->set_cache_misses(5);
        done(std::move(answer));
      },
      cancel);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a", "b"}, {0, 1, 2})).ok());
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {3})).ok());
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  EXPECT_THAT(dispatcher.frames_done(), ElementsAre(::testing::Pair("a", 4), ::testing::Pair("b", 3)));
  const FrameOutcome outcome = dispatcher.TakeOutcome("a");
  EXPECT_EQ(outcome.frames_done, 4);
  EXPECT_EQ(outcome.batch_count, 2);
  EXPECT_EQ(outcome.retry_count, 0);
  EXPECT_EQ(outcome.cache_hits, 6);
  EXPECT_EQ(outcome.cache_misses, 10);
  EXPECT_GE(outcome.batch_time, absl::Milliseconds(4));
  EXPECT_LT(outcome.batch_time, absl::Hours(1));
  EXPECT_EQ(dispatcher.TakeOutcome("b").batch_count, 1);
  // Results can be taken once, the counts stay.
  EXPECT_TRUE(dispatcher.TakeOutcome("a").results.empty());
  EXPECT_EQ(dispatcher.frames_done()["a"], 4);
  EXPECT_EQ(dispatcher.TakeOutcome("never asked").batch_count, 0);
  EXPECT_FALSE(dispatcher.failed("never asked"));
}

TEST(BatchDispatcherAnswersTest, WaitingHasATimeout) {
  CancelToken cancel;
  std::function<void()> held;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr batch, const CancelToken&, auto done) { held = [=] { done(Answer(*batch)); }; }, cancel);
  EXPECT_TRUE(*dispatcher.WaitIdle(absl::ZeroDuration()));
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {0})).ok());
  EXPECT_FALSE(*dispatcher.WaitIdle(absl::ZeroDuration()));
  const Stopwatch stopwatch;
  EXPECT_FALSE(*dispatcher.WaitIdle(absl::Milliseconds(20)));
  EXPECT_GE(stopwatch.elapsed(), absl::Milliseconds(20));
  held();
  EXPECT_TRUE(*dispatcher.WaitIdle(absl::ZeroDuration()));
}

TEST(BatchDispatcherAnswersTest, OnlyBatchesThatNobodyWantsAreCalledOff) {
  CancelToken cancel;
  struct Call {
    BatchPtr batch;
    CancelToken token;
    analysis::AnalyzerClient::BatchCallback done;
  };
  std::vector<Call> calls;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr batch, const CancelToken& token, auto done) {
        calls.push_back({batch, token, done});
      },
      cancel, 4, 0);
  for (const auto& names : std::vector<std::vector<std::string>>{{"a"}, {"a"}, {"a", "b"}, {"b"}}) {
    ASSERT_TRUE(dispatcher.Submit(0, MakeBatch(names, {static_cast<int64_t>(calls.size())})).ok());
  }
  ASSERT_EQ(calls.size(), 4u);
  calls[0].done(absl::InternalError("first"));
  EXPECT_EQ(calls[1].token.status(), absl::CancelledError("its analyzers were given up"));
  EXPECT_FALSE(calls[2].token.cancelled());
  EXPECT_FALSE(calls[3].token.cancelled());
  EXPECT_FALSE(cancel.cancelled());
  EXPECT_TRUE(dispatcher.failed("a"));
  EXPECT_FALSE(dispatcher.failed("b"));
  // What still comes for the one that was given up changes nothing for it.
  calls[1].done(absl::AbortedError("second"));
  calls[2].done(Answer(*calls[2].batch));
  calls[3].done(Answer(*calls[3].batch));
  ASSERT_TRUE(*dispatcher.WaitIdle(absl::Hours(24)));
  EXPECT_EQ(dispatcher.TakeOutcome("a").status.message(), "service peer: first");
  EXPECT_TRUE(dispatcher.TakeOutcome("a").results.empty());
  EXPECT_EQ(dispatcher.frames_done()["a"], 0);
  EXPECT_THAT(Indexes(dispatcher.TakeOutcome("b")), ElementsAre(2, 3));
}

TEST(BatchDispatcherAnswersTest, PicturesAreFreedBeforeTheWaiterHears) {
  CancelToken cancel;
  std::function<void()> answer;
  std::weak_ptr<const analysis::Batch> watched;
  BatchDispatcher dispatcher = MakeDispatcher(
      [&](BatchPtr batch, const CancelToken&, auto done) {
        watched = batch;
        answer = [done, response = Answer(*batch)] { done(response); };
      },
      cancel);
  int wakes = 0;
  dispatcher.OnComplete([&] {
    ++wakes;
    EXPECT_TRUE(watched.expired());
  });
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {0})).ok());
  EXPECT_FALSE(watched.expired());
  answer();
  EXPECT_EQ(wakes, 1);
  dispatcher.OnComplete(nullptr);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {1})).ok());
  answer();
  EXPECT_EQ(wakes, 1);
}

TEST(BatchDispatcherAnswersTest, WhatWaitsWhenTheRunIsCancelledIsNotSent) {
  CancelToken cancel;
  std::vector<analysis::AnalyzerClient::BatchCallback> calls;
  BatchDispatcher dispatcher =
      MakeDispatcher([&](BatchPtr, const CancelToken&, auto done) { calls.push_back(done); }, cancel, 1);
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {0})).ok());
  ASSERT_TRUE(dispatcher.Submit(0, MakeBatch({"a"}, {1})).ok());
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_FALSE(dispatcher.TakeCompleteOutcome("a").has_value());
  cancel.Cancel();
  calls[0](absl::CancelledError("called off"));
  EXPECT_EQ(calls.size(), 1u);
  EXPECT_TRUE(dispatcher.TakeCompleteOutcome("a").has_value());
}

TEST(BatchDispatcherAnswersTest, EachServiceHasItsOwnQueueAndIdleIsWhenAllAre) {
  CancelToken cancel;
  const auto log = std::make_shared<AttemptLog>();
  std::vector<std::vector<std::function<void()>>> held(2);
  std::vector<Endpoint> endpoints;
  for (std::vector<std::function<void()>>& of_service : held) {
    const auto hold = [&of_service](BatchPtr batch, const CancelToken&, auto done) {
      of_service.push_back([=] { done(Answer(*batch)); });
    };
    endpoints.push_back({"peer", std::make_shared<ScriptedClient>(hold), 1});
  }
  BatchDispatcher dispatcher(MakeServiceCalls(endpoints, TestTimer(), nullptr, log), log, cancel);
  for (const int service : {0, 0, 1}) ASSERT_TRUE(dispatcher.Submit(service, MakeBatch({"a"}, {service})).ok());
  ASSERT_EQ(held[0].size(), 1u);
  ASSERT_EQ(held[1].size(), 1u);
  held[1][0]();
  EXPECT_FALSE(*dispatcher.WaitIdle(absl::ZeroDuration()));
  held[0][0]();
  ASSERT_EQ(held[0].size(), 2u);
  EXPECT_FALSE(*dispatcher.WaitIdle(absl::ZeroDuration()));
  held[0][1]();
  EXPECT_TRUE(*dispatcher.WaitIdle(absl::ZeroDuration()));
}

}  // namespace
}  // namespace reelsight::orchestrator
