// SPDX-License-Identifier: Apache-2.0
//
// What a scheduler may rely on, whatever engine is behind: tried with one that has no model.
#include "shared/generation/generation_engine.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/generation/generation_engine_test_support.h"
#include "shared/testing/fake_generation_engine.h"

namespace reelsight::generation {
namespace {

using ::testing::ElementsAre;
using testing::FakeGenerationEngine;
using testing::FakeMedia;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(GenerationEngineTest, TokensComeOneAStepAndThenTheEnd) {
  Caller caller;
  const Session session = Create(engine_, Ask(Count(10), 3, &caller));
  EXPECT_EQ(session->pending_tokens(), 10);
  EXPECT_EQ(engine_.capacity().free_blocks, 100);
  const auto first = engine_.Step(PlanAll({session}));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->items[0].computed_tokens, 10);
  EXPECT_EQ(first->items[0].tokens, caller.tokens);
  EXPECT_FALSE(first->items[0].ended);
  EXPECT_EQ(session->pending_tokens(), 1);
  EXPECT_EQ(engine_.capacity().free_blocks, 97);
  ASSERT_TRUE(engine_.Step(PlanAll({session})).ok());
  EXPECT_THAT(caller.ends, IsEmpty());
  EXPECT_TRUE(engine_.Step(PlanAll({session}))->items[0].ended);
  EXPECT_EQ(caller.tokens, Expected(session->request(), 3));
  ASSERT_EQ(caller.ends.size(), 1);
  EXPECT_EQ(caller.ends[0].reason, FinishReason::kLength);
  EXPECT_TRUE(caller.ends[0].status.ok());
  EXPECT_EQ(engine_.capacity().free_blocks, 100);
}

TEST_F(GenerationEngineTest, APromptInPiecesGivesTheSameTokens) {
  for (const int64_t piece : {1, 3, 7, 10}) {
    SCOPED_TRACE(piece);
    Caller caller;
    const Session session = Create(engine_, Ask(Count(10), 4, &caller));
    while (!session->end().has_value()) {
      const int64_t count = std::min(piece, session->pending_tokens());
      const bool last = count == session->pending_tokens();
      const auto output = engine_.Step({{{session, count}}});
      ASSERT_TRUE(output.ok()) << output.status();
      EXPECT_EQ(output->items[0].tokens.size(), last ? 1 : 0);
    }
    EXPECT_EQ(caller.tokens, Expected(session->request(), 4));
  }
}

TEST_F(GenerationEngineTest, SessionsJoinAndLeaveAtAnyStepAndNeverTouchEachOther) {
  std::vector<Caller> callers(4);
  std::vector<Session> sessions;
  for (size_t i = 0; i < callers.size(); ++i) {
    GenerationRequest request = Ask(Count(5 + 3 * static_cast<int64_t>(i)), 2 + static_cast<int64_t>(i), &callers[i]);
    request.sampling.seed = i;
    sessions.push_back(Create(engine_, std::move(request)));
    std::vector<Session> live;
    for (const Session& session : sessions) {
      if (!session->end().has_value()) live.push_back(session);
    }
    ASSERT_TRUE(engine_.Step(PlanAll(live)).ok());
  }
  RunToTheEnd(engine_, {sessions.begin(), sessions.end()});
  for (size_t i = 0; i < callers.size(); ++i) {
    EXPECT_EQ(callers[i].tokens, Expected(sessions[i]->request(), 2 + static_cast<int64_t>(i)));
    EXPECT_EQ(callers[i].ends.size(), 1);
  }
  EXPECT_EQ(engine_.capacity().free_blocks, 100);
}

TEST_F(GenerationEngineTest, AStopTokenEndsAndIsNotDelivered) {
  Caller caller;
  GenerationRequest request = Ask(Count(6), 10, &caller);
  const std::vector<Token> would_write = Expected(request, 10);
  request.stop_tokens = {would_write[2]};
  const Session session = Create(engine_, std::move(request));
  RunToTheEnd(engine_, {session});
  EXPECT_THAT(caller.tokens, ElementsAre(would_write[0], would_write[1]));
  ASSERT_EQ(caller.ends.size(), 1);
  EXPECT_EQ(caller.ends[0].reason, FinishReason::kStop);
}

TEST_F(GenerationEngineTest, AnEngineThatGuessesAheadStopsWhereOneThatDoesNotWould) {
  engine_.GuessAhead(4);
  Caller by_length, by_stop;
  const Session first = Create(engine_, Ask(Count(6), 6, &by_length));
  GenerationRequest request = Ask(Count(6, 50), 20, &by_stop);
  const std::vector<Token> would_write = Expected(request, 20);
  request.stop_tokens = {would_write[5]};
  const Session second = Create(engine_, std::move(request));
  EXPECT_EQ(engine_.Step(PlanAll({first, second}))->items[0].tokens.size(), 4);
  EXPECT_EQ(first->pending_tokens(), 1);
  RunToTheEnd(engine_, {first, second});
  EXPECT_EQ(by_length.tokens, Expected(first->request(), 6));
  EXPECT_EQ(by_stop.tokens, Expected(second->request(), 5));
  EXPECT_EQ(by_stop.ends.at(0).reason, FinishReason::kStop);
}

TEST_F(GenerationEngineTest, TheContextEndsAGenerationToo) {
  Caller caller;
  const Session session = Create(engine_, Ask(Count(197), 100, &caller));
  RunToTheEnd(engine_, {session});
  EXPECT_EQ(caller.tokens, Expected(session->request(), 3));
  EXPECT_EQ(caller.ends.at(0).reason, FinishReason::kLength);
}

TEST_F(GenerationEngineTest, MediaMayTakeStepsOfItsOwn) {
  engine_.MediaTakes("picture", 2);
  Caller caller;
  GenerationRequest request = Ask(Count(3), 2, &caller);
  request.prompt.push_back({.media = std::make_shared<FakeMedia>("picture", 9)});
  request.prompt.push_back({.tokens = {7, 8}});
  const Session session = Create(engine_, std::move(request));
  EXPECT_EQ(session->prompt_tokens(), 14);
  // Up to the picture nothing is in the way; a piece may end within it.
  EXPECT_EQ(engine_.Step({{{session, 3}}})->items[0].computed_tokens, 3);
  for (int turn = 0; turn < 2; ++turn) EXPECT_EQ(engine_.Step({{{session, 5}}})->items[0].computed_tokens, 0);
  EXPECT_EQ(engine_.Step({{{session, 5}}})->items[0].computed_tokens, 5);
  RunToTheEnd(engine_, {session});
  EXPECT_EQ(caller.tokens, Expected(session->request(), 2));
}
TEST_F(GenerationEngineTest, AnErrorOfOneSessionPoisonsItAlone) {
  Caller good, bad;
  GenerationRequest request = Ask(Count(5), 9, &bad);
  request.client = "bad";
  engine_.PoisonAt("bad", 7, absl::InternalError("NaN logits"));
  const Session poisoned = Create(engine_, std::move(request));
  const Session other = Create(engine_, Ask(Count(5), 4, &good));
  RunToTheEnd(engine_, {poisoned, other});
  EXPECT_EQ(bad.tokens, Expected(poisoned->request(), 2));
  ASSERT_EQ(bad.ends.size(), 1);
  EXPECT_EQ(bad.ends[0].reason, FinishReason::kError);
  EXPECT_EQ(bad.ends[0].status, absl::InternalError("NaN logits"));
  EXPECT_EQ(engine_.Step({{{poisoned, 1}}}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(good.tokens, Expected(other->request(), 4));
  EXPECT_TRUE(engine_.status().ok());
  EXPECT_EQ(engine_.capacity().free_blocks, 100);
}

TEST_F(GenerationEngineTest, AnErrorOfTheWholeStepPoisonsTheEngine) {
  for (const bool loses : {false, true}) {
    SCOPED_TRACE(loses);
    FakeGenerationEngine engine(Ample());
    Caller first, second, waiting;
    const Session a = Create(engine, Ask(Count(5), 9, &first)), b = Create(engine, Ask(Count(5), 9, &second));
    const Session outside = Create(engine, Ask(Count(5), 9, &waiting));
    ASSERT_TRUE(engine.Step(PlanAll({a, b, outside})).ok());
    if (loses) {
      engine.LoseATurn();
    } else {
      engine.FailNextStep(absl::InternalError("the device is gone"));
    }
    const absl::Status failed = engine.Step(PlanAll({a, b})).status();
    EXPECT_EQ(failed.code(), absl::StatusCode::kInternal);
    for (const Caller* caller : {&first, &second}) {
      EXPECT_EQ(caller->tokens.size(), 1);
      ASSERT_EQ(caller->ends.size(), 1);
      EXPECT_EQ(caller->ends[0].reason, FinishReason::kError);
    }
    EXPECT_EQ(engine.status(), failed);
    EXPECT_EQ(engine.Step(PlanAll({outside})).status(), failed);
    EXPECT_EQ(engine.CreateSession(Ask(Count(5), 9)).status(), failed);
    EXPECT_THAT(waiting.ends, IsEmpty());
  }
}

TEST_F(GenerationEngineTest, AStepThatFindsNoMemoryChangesNothing) {
  Capacity small = Ample();
  small.total_blocks = 4;
  FakeGenerationEngine engine(small);
  Caller first, second;
  const Session a = Create(engine, Ask(Count(10), 3, &first)), b = Create(engine, Ask(Count(9), 3, &second));
  ASSERT_TRUE(engine.Step(PlanAll({a})).ok());
  EXPECT_EQ(engine.capacity().free_blocks, 1);
  const absl::Status refused = engine.Step(PlanAll({a, b})).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(engine.capacity().free_blocks, 1);
  EXPECT_EQ(a->pending_tokens(), 1);
  EXPECT_EQ(b->pending_tokens(), 9);
  EXPECT_EQ(first.tokens.size(), 1);
  EXPECT_TRUE(engine.status().ok());
  // Less fits, and so does the other once this one is preempted.
  ASSERT_TRUE(engine.Step({{{a, 1}, {b, 4}}}).ok());
  a->Preempt();
  EXPECT_EQ(a->pending_tokens(), 12);
  EXPECT_EQ(first.tokens.size(), 2);
  ASSERT_TRUE(engine.Step(PlanAll({b})).ok());
  RunToTheEnd(engine, {b, a});
  EXPECT_EQ(first.tokens, Expected(a->request(), 3));
  EXPECT_EQ(second.tokens, Expected(b->request(), 3));
}

TEST_F(GenerationEngineTest, PreemptedSessionsWriteWhatTheyWouldHaveWritten) {
  Capacity small = Ample();
  small.total_blocks = 12;
  small.max_step_tokens = 10;
  small.max_step_sessions = 3;
  FakeGenerationEngine engine(small);
  std::vector<Caller> callers(6);
  std::deque<Session> sessions;
  for (size_t i = 0; i < callers.size(); ++i) {
    GenerationRequest request = Ask(Count(8 + static_cast<int64_t>(i), static_cast<Token>(i * 100)), 20, &callers[i]);
    request.sampling = {.temperature = 1, .seed = 77 + i};
    sessions.push_back(Create(engine, std::move(request)));
  }
  EXPECT_GT(RunToTheEnd(engine, sessions), 0);
  for (size_t i = 0; i < callers.size(); ++i) {
    EXPECT_EQ(callers[i].tokens, Expected(sessions[i]->request(), 20)) << i;
    EXPECT_EQ(callers[i].ends.size(), 1);
  }
  EXPECT_EQ(engine.capacity().free_blocks, 12);
}

TEST_F(GenerationEngineTest, MemoryOfThoseOverIsThereForTheOthersOfTheStep) {
  Capacity small = Ample();
  small.total_blocks = 4;
  FakeGenerationEngine engine(small);
  const Session gone = Create(engine, Ask(Count(10), 3)), next = Create(engine, Ask(Count(10), 3));
  ASSERT_TRUE(engine.Step(PlanAll({gone})).ok());
  gone->request().cancel.Cancel();
  EXPECT_TRUE(engine.Step({{{next, 10}, {gone, 1}}}).ok());
  EXPECT_EQ(next->generated().size(), 1);
}

TEST_F(GenerationEngineTest, WhatCouldNotEndEvenAloneIsRefused) {
  Capacity small = Ample();
  small.total_blocks = 5;
  FakeGenerationEngine engine(small);
  const absl::Status too_much = engine.CreateSession(Ask(Count(10), 12)).status();
  EXPECT_EQ(too_much.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(too_much), "MODEL_TOO_LARGE");
  EXPECT_THAT(std::string(too_much.message()), HasSubstr("need 6 blocks of 4 tokens; there are 5"));
  Caller caller;
  const Session session = Create(engine, Ask(Count(10), 11, &caller));
  EXPECT_EQ(RunToTheEnd(engine, {session}), 0);
  EXPECT_EQ(caller.tokens, Expected(session->request(), 11));
}

TEST_F(GenerationEngineTest, CapacityBoundsTheSessions) {
  std::vector<Session> sessions;
  for (int i = 0; i < 16; ++i) sessions.push_back(Create(engine_, Ask(Count(3), 2)));
  const absl::Status refused = engine_.CreateSession(Ask(Count(3), 2)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(refused), "QUEUE_FULL");
  sessions.pop_back();
  EXPECT_TRUE(engine_.CreateSession(Ask(Count(3), 2)).ok());
  EXPECT_EQ(engine_.capacity().sessions, 15);
}

TEST_F(GenerationEngineTest, RequestsOutOfRangeAreNamed) {
  const auto refused = [&](const GenerationRequest& request) {
    const absl::Status status = engine_.CreateSession(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return GetMetadata(status, "field");
  };
  EXPECT_EQ(refused(Ask({}, 1)), "prompt");
  EXPECT_EQ(refused(Ask(Count(200), 1)), "prompt");
  EXPECT_EQ(refused(Ask(Count(1), 0)), "max_new_tokens");
  GenerationRequest mixed = Ask(Count(1), 1);
  mixed.prompt[0].media = std::make_shared<FakeMedia>("picture", 4);
  EXPECT_EQ(refused(mixed), "prompt");
  const auto sampled = [](const Sampling& sampling) {
    GenerationRequest request = Ask(Count(1), 1);
    request.sampling = sampling;
    return request;
  };
  EXPECT_EQ(refused(sampled({.temperature = -1})), "temperature");
  EXPECT_EQ(refused(sampled({.temperature = std::nan("")})), "temperature");
  EXPECT_EQ(refused(sampled({.top_p = 0})), "top_p");
  EXPECT_EQ(refused(sampled({.top_p = 1.5})), "top_p");
  EXPECT_EQ(refused(sampled({.top_k = -1})), "top_k");
  EXPECT_EQ(refused(sampled({.repetition_penalty = 0})), "repetition_penalty");
  EXPECT_EQ(engine_.capacity().sessions, 0);
}

TEST_F(GenerationEngineTest, AWrongPlanIsRefusedAndChangesNothing) {
  const Session session = Create(engine_, Ask(Count(60), 5)), other = Create(engine_, Ask(Count(60), 5));
  FakeGenerationEngine elsewhere(Ample());
  const Session foreign = Create(elsewhere, Ask(Count(3), 5));
  std::vector<Session> many;
  for (int i = 0; i < 9; ++i) many.push_back(Create(engine_, Ask(Count(1), 5)));
  for (const StepPlan& plan :
       {StepPlan{}, StepPlan{{{session, 0}}}, StepPlan{{{session, 61}}}, StepPlan{{{session, 3}, {session, 3}}},
        StepPlan{{{session, 40}, {other, 40}}}, StepPlan{{{foreign, 1}}}, StepPlan{{{nullptr, 1}}}, PlanAll(many)}) {
    EXPECT_EQ(engine_.Step(plan).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(engine_.steps(), 0);
  EXPECT_EQ(session->pending_tokens(), 60);
  EXPECT_TRUE(engine_.status().ok());
}

}  // namespace
}  // namespace reelsight::generation
