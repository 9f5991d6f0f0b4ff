// SPDX-License-Identifier: Apache-2.0
//
// How generations end before they are done: cancelled, dropped or out of time, at each moment.
#include <atomic>
#include <chrono>
#include <thread>
#include <tuple>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/generation/generation_engine.h"
#include "shared/generation/generation_engine_test_support.h"
#include "shared/testing/fake_generation_engine.h"

namespace reelsight::generation {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

// A generation has several moments at which its caller may go; the same holds at each.
enum class Moment { kBeforeFirstStep, kBetweenPieces, kDuringAPiece, kBetweenTokens, kDuringAStep, kInItsCallback };

class CancelTest : public GenerationEngineTest, public ::testing::WithParamInterface<std::tuple<Moment, bool>> {};

TEST_P(CancelTest, EndsWithinOneStepDeliversNoMoreAndLeavesTheOthersAlone) {
  const auto [moment, by_deadline] = GetParam();
  Caller caller, neighbour;
  GenerationRequest request = Ask(Count(10), 5, &caller);
  const CancelToken cancel = request.cancel;
  const auto stop = [&, by_deadline = by_deadline] {
    if (by_deadline) return cancel.SetDeadline(CancelToken::Clock::now() - std::chrono::seconds(1));
    cancel.Cancel();
  };
  if (moment == Moment::kInItsCallback) {
    request.on_token = [&](Token token) {
      caller.tokens.push_back(token);
      if (caller.tokens.size() == 2) stop();
    };
  }
  const Session session = Create(engine_, std::move(request));
  const Session other = Create(engine_, Ask(Count(4), 9, &neighbour));
  const auto step = [&](int64_t count) {
    const auto output = engine_.Step({{{session, count}, {other, other->pending_tokens()}}});
    EXPECT_TRUE(output.ok()) << output.status();
    return *output;
  };
  size_t tokens = 0;
  StepOutput last;
  switch (moment) {
    case Moment::kBeforeFirstStep:
      stop();
      last = step(10);
      break;
    case Moment::kBetweenPieces:
      step(4);
      stop();
      last = step(6);
      break;
    case Moment::kDuringAPiece:
      engine_.OnStep(stop);
      last = step(4);
      break;
    case Moment::kBetweenTokens:
      step(10);
      tokens = 1;
      stop();
      last = step(1);
      break;
    case Moment::kDuringAStep:
      step(10);
      tokens = 1;
      engine_.OnStep(stop);
      last = step(1);
      break;
    case Moment::kInItsCallback:
      step(10);
      tokens = 2;
      last = step(1);
      break;
  }
  engine_.OnStep(nullptr);
  EXPECT_TRUE(last.items[0].ended);
  EXPECT_THAT(caller.tokens, ElementsAreArray(Expected(session->request(), static_cast<int64_t>(tokens))));
  ASSERT_EQ(caller.ends.size(), 1);
  EXPECT_EQ(caller.ends[0].reason, by_deadline ? FinishReason::kDeadline : FinishReason::kCancelled);
  EXPECT_EQ(caller.ends[0].status.code(),
            by_deadline ? absl::StatusCode::kDeadlineExceeded : absl::StatusCode::kCancelled);
  // Its blocks are free; an ended session takes none and is planned no more.
  const Capacity capacity = engine_.capacity();
  EXPECT_EQ(capacity.free_blocks, 100 - capacity.BlocksFor(other->computed_tokens()));
  EXPECT_EQ(engine_.Step({{{session, 1}}}).status().code(), absl::StatusCode::kInvalidArgument);
  RunToTheEnd(engine_, {other});
  EXPECT_EQ(neighbour.tokens, Expected(other->request(), 9));
  EXPECT_EQ(caller.ends.size(), 1);
}

INSTANTIATE_TEST_SUITE_P(AtEachMoment, CancelTest,
                         ::testing::Combine(::testing::Values(Moment::kBeforeFirstStep, Moment::kBetweenPieces,
                                                              Moment::kDuringAPiece, Moment::kBetweenTokens,
                                                              Moment::kDuringAStep, Moment::kInItsCallback),
                                            ::testing::Bool()));

TEST_F(GenerationEngineTest, ASessionThatWaitsEndsWithoutAStep) {
  Caller caller;
  const Session session = Create(engine_, Ask(Count(10), 5, &caller));
  EXPECT_FALSE(session->EndIfOver());
  session->request().cancel.Cancel();
  EXPECT_TRUE(session->EndIfOver());
  EXPECT_TRUE(session->EndIfOver());
  EXPECT_EQ(caller.ends.size(), 1);
  EXPECT_EQ(engine_.steps(), 0);
}

TEST_F(GenerationEngineTest, AStepOfNobodyButThoseOverRunsNothing) {
  const Session session = Create(engine_, Ask(Count(10), 5));
  session->request().cancel.Cancel();
  EXPECT_TRUE(engine_.Step(PlanAll({session}))->items[0].ended);
  EXPECT_EQ(engine_.steps(), 0);
}

TEST_F(GenerationEngineTest, ASessionDestroyedInTheMiddleGivesItsMemoryBackAndTellsNobody) {
  Caller caller;
  Session session = Create(engine_, Ask(Count(10), 5, &caller));
  ASSERT_TRUE(engine_.Step(PlanAll({session})).ok());
  EXPECT_EQ(engine_.capacity().sessions, 1);
  session.reset();
  EXPECT_EQ(engine_.capacity().free_blocks, 100);
  EXPECT_EQ(engine_.capacity().sessions, 0);
  EXPECT_EQ(caller.tokens.size(), 1);
  EXPECT_THAT(caller.ends, IsEmpty());
}

TEST_F(GenerationEngineTest, ASessionDroppedByItsOwnCallbackOrDuringAStepLivesUntilTheStepEnds) {
  Caller caller, other;
  Session own;
  StepPlan plan;
  GenerationRequest request = Ask(Count(10), 1, &caller);
  request.on_end = [&](const GenerationEnd& end) {
    caller.ends.push_back(end);
    own.reset();
    plan.items.clear();
  };
  own = Create(engine_, std::move(request));
  Session dropped = Create(engine_, Ask(Count(3), 4, &other));
  engine_.OnStep([&] { dropped.reset(); });
  plan = PlanAll({own, dropped});
  const std::weak_ptr<GenerationSession> own_life = own, dropped_life = dropped;
  const auto output = engine_.Step(plan);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_TRUE(output->items[0].ended);
  EXPECT_EQ(caller.ends.size(), 1);
  EXPECT_TRUE(own_life.expired());
  EXPECT_TRUE(dropped_life.expired());
  EXPECT_EQ(engine_.capacity().free_blocks, 100);
}

TEST_F(GenerationEngineTest, SessionsAreDroppedOnOtherThreadsWhileAStepRuns) {
  const Session runs = Create(engine_, Ask(Count(4), 150));
  std::atomic<bool> stop = false;
  std::thread other([&] {
    while (!stop) {
      const auto session = engine_.CreateSession(Ask(Count(3), 2));
      EXPECT_LE(engine_.capacity().free_blocks, 100);
      if (session.ok()) (*session)->request().cancel.Cancel();
    }
  });
  RunToTheEnd(engine_, {runs});
  stop = true;
  other.join();
  EXPECT_EQ(runs->generated().size(), 150);
  EXPECT_EQ(engine_.capacity().free_blocks, 100);
}

}  // namespace
}  // namespace reelsight::generation
