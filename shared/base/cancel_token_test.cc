// SPDX-License-Identifier: Apache-2.0
#include "shared/base/cancel_token.h"

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight {
namespace {

TEST(CancelTokenTest, FirstReasonWinsAndStays) {
  CancelToken token;
  EXPECT_FALSE(token.cancelled());
  token.Cancel(absl::AbortedError("first"));
  token.Cancel(absl::CancelledError("second"));
  EXPECT_EQ(token.status().code(), absl::StatusCode::kAborted);
}

TEST(CancelTokenTest, AnOkReasonCancelsAllTheSame) {
  CancelToken token;
  EXPECT_EQ(token.deadline(), CancelToken::Clock::time_point::max());
  token.Cancel(absl::OkStatus());
  EXPECT_EQ(token.status().code(), absl::StatusCode::kCancelled);
}

TEST(CancelTokenTest, CopiesShareTheState) {
  CancelToken token;
  CancelToken copy = token;
  copy.Cancel();
  EXPECT_TRUE(token.cancelled());
}

TEST(CancelTokenTest, PassedDeadlineCancels) {
  CancelToken token;
  token.SetDeadline(CancelToken::Clock::now() + std::chrono::hours(1));
  EXPECT_FALSE(token.cancelled());
  token.SetDeadline(CancelToken::Clock::now() - std::chrono::seconds(1));
  EXPECT_EQ(token.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(GetReason(token.status()), "DEADLINE_EXCEEDED");
}

TEST(CancelTokenTest, AskingWhetherItIsOverRunsNothing) {
  CancelToken token;
  EXPECT_FALSE(token.over());
  token.SetDeadline(CancelToken::Clock::now() + std::chrono::hours(1));
  EXPECT_FALSE(token.over());
  int runs = 0;
  CancelToken::Callback callback(token, [&] { ++runs; });
  token.SetDeadline(CancelToken::Clock::now() - std::chrono::seconds(1));
  EXPECT_TRUE(token.over());
  EXPECT_EQ(runs, 0);
  EXPECT_TRUE(token.cancelled());
  EXPECT_EQ(runs, 1);
  CancelToken cancelled;
  cancelled.Cancel();
  EXPECT_TRUE(cancelled.over());
}

TEST(CancelTokenTest, EarlierDeadlineWins) {
  CancelToken token;
  const auto early = CancelToken::Clock::now() + std::chrono::hours(1);
  token.SetDeadline(early);
  token.SetDeadline(early + std::chrono::hours(1));
  EXPECT_EQ(token.deadline(), early);
}

TEST(CancelTokenTest, CallbackRunsOnceAndAtOnceIfLate) {
  CancelToken token;
  int runs = 0;
  CancelToken::Callback early(token, [&] { ++runs; });
  token.Cancel();
  token.Cancel();
  EXPECT_EQ(runs, 1);
  CancelToken::Callback late(token, [&] { ++runs; });
  EXPECT_EQ(runs, 2);
}

TEST(CancelTokenTest, DestroyedCallbackDoesNotRun) {
  CancelToken token;
  int runs = 0;
  {
    CancelToken::Callback callback(token, [&] { ++runs; });
  }
  token.Cancel();
  EXPECT_EQ(runs, 0);
}

// Of two, whichever runs first.
TEST(CancelTokenTest, ACallbackThatAnotherDestroysDoesNotRun) {
  CancelToken token;
  int runs = 0;
  std::unique_ptr<CancelToken::Callback> one, other;
  one = std::make_unique<CancelToken::Callback>(token, [&] { ++runs, other.reset(); });
  other = std::make_unique<CancelToken::Callback>(token, [&] { ++runs, one.reset(); });
  token.Cancel();
  EXPECT_EQ(runs, 1);
}

TEST(CancelTokenTest, ChildrenThatASiblingsCallbackDestroysAreLeftAlone) {
  CancelToken parent;
  std::vector<CancelToken> siblings;
  for (int i = 0; i < 8; ++i) siblings.push_back(CancelToken::ChildOf(parent));
  const CancelToken child = CancelToken::ChildOf(parent);
  for (int i = 0; i < 8; ++i) siblings.push_back(CancelToken::ChildOf(parent));
  // Whatever the order, some of them would be told after it.
  const CancelToken::Callback callback(child, [&] { siblings.clear(); });
  parent.Cancel();
  EXPECT_TRUE(siblings.empty());
}

TEST(CancelTokenTest, DestructorWaitsForARunUnderWay) {
  for (int round = 0; round < 200; ++round) {
    CancelToken token;
    auto alive = std::make_unique<std::atomic<int>>(1);
    auto callback = std::make_unique<CancelToken::Callback>(token, [&] { EXPECT_EQ(alive->load(), 1); });
    std::thread canceller([&] { token.Cancel(); });
    callback.reset();
    alive->store(0);
    canceller.join();
  }
}

TEST(CancelTokenTest, CallbackMayDestroyItself) {
  CancelToken token;
  struct Owner {
    std::unique_ptr<CancelToken::Callback> callback;
  };
  auto owner = std::make_shared<Owner>();
  std::weak_ptr<Owner> watched = owner;
  owner->callback = std::make_unique<CancelToken::Callback>(token, [owner] { EXPECT_EQ(owner.use_count(), 1); });
  owner.reset();
  // The function holds the last reference to what owns its callback.
  token.Cancel();
  EXPECT_TRUE(watched.expired());
}

TEST(CancelTokenTest, ACallbackMayDestroyTheTokenThatWasAsked) {
  struct Owner {
    CancelToken token;
    CancelToken::Callback callback;
    explicit Owner(std::function<void()> function) : callback(token, std::move(function)) {}
  };
  Owner* owner = nullptr;
  owner = new Owner([&owner] { delete owner; });
  owner->token.SetDeadline(CancelToken::Clock::now());
  EXPECT_EQ(owner->token.status().code(), absl::StatusCode::kDeadlineExceeded);
  owner = new Owner([&owner] { delete owner; });
  owner->token.Cancel();
}

TEST(CancelTokenTest, AChildEndsWithItsParentAndNotTheOtherWayRound) {
  CancelToken parent;
  const CancelToken first = CancelToken::ChildOf(parent);
  const CancelToken second = CancelToken::ChildOf(parent);
  int runs = 0;
  const CancelToken::Callback callback(second, [&] { ++runs; });
  first.Cancel(absl::AbortedError("the child's own"));
  EXPECT_FALSE(parent.cancelled());
  EXPECT_FALSE(second.cancelled());
  parent.Cancel(absl::DataLossError("the parent's"));
  EXPECT_EQ(first.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(second.status(), absl::DataLossError("the parent's"));
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(CancelToken::ChildOf(parent).status(), parent.status());
}

TEST(CancelTokenTest, AChildHasTheParentsDeadlineAndMayHaveAnEarlierOne) {
  const auto end = CancelToken::Clock::now() + std::chrono::hours(2);
  CancelToken parent;
  parent.SetDeadline(end);
  const CancelToken child = CancelToken::ChildOf(parent);
  EXPECT_EQ(child.deadline(), end);
  child.SetDeadline(end - std::chrono::hours(1));
  EXPECT_EQ(child.deadline(), end - std::chrono::hours(1));
  EXPECT_EQ(parent.deadline(), end);
}

TEST(CancelTokenTest, AChildMayGoInsideItsOwnCallbackAndWhileItsParentIsCancelled) {
  CancelToken parent;
  auto child = std::make_unique<CancelToken>(CancelToken::ChildOf(parent));
  const CancelToken::Callback callback(*child, [&] { child.reset(); });
  parent.Cancel();
  EXPECT_EQ(child, nullptr);
  for (int i = 0; i < 200; ++i) {
    CancelToken many;
    std::thread canceller([many] { many.Cancel(); });
    for (int j = 0; j < 5; ++j) CancelToken::ChildOf(many);
    canceller.join();
  }
}

}  // namespace
}  // namespace reelsight
