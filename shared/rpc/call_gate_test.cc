// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/call_gate.h"

#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/base/test_pause.h"

namespace reelsight::rpc {
namespace {

using Clock = std::chrono::steady_clock;

TEST(CallGateTest, BoundsTheCallsInside) {
  CallGate gate(2);
  int64_t first = 0, second = 0, third = 0;
  ASSERT_TRUE(gate.Enter("Call", CancelToken(), &first).ok());
  ASSERT_TRUE(gate.Enter("Call", CancelToken(), &second).ok());
  const absl::Status full = gate.Enter("Call", CancelToken(), &third);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(full), "SERVER_BUSY");
  EXPECT_GT(GetRetryDelay(full), absl::ZeroDuration());
  gate.Leave(first);
  EXPECT_TRUE(gate.Enter("Call", CancelToken(), &third).ok());
  EXPECT_EQ(gate.calls(), 2);
  gate.Leave(second);
  gate.Leave(third);
}

TEST(CallGateTest, DrainRefusesNewCallsAndWaitsForTheOthers) {
  CallGate gate(2);
  int64_t ticket = 0, late = 0;
  ASSERT_TRUE(gate.Enter("Call", CancelToken(), &ticket).ok());
  gate.BeginDrain();
  EXPECT_TRUE(gate.draining());
  const absl::Status refused = gate.Enter("Call", CancelToken(), &late);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetReason(refused), "SERVER_DRAINING");
  EXPECT_FALSE(gate.WaitEmpty(Clock::now() + std::chrono::milliseconds(20)));
  std::future<bool> empty =
      std::async(std::launch::async, [&] { return gate.WaitEmpty(Clock::now() + std::chrono::minutes(1)); });
  EXPECT_EQ(empty.wait_for(std::chrono::milliseconds(30)), std::future_status::timeout);
  gate.Leave(ticket);
  EXPECT_TRUE(empty.get());
}

TEST(CallGateTest, CancelAllReachesTheCallsInside) {
  CallGate gate(2);
  int64_t ticket = 0;
  const CancelToken cancel;
  ASSERT_TRUE(gate.Enter("Call", cancel, &ticket).ok());
  gate.CancelAll(absl::UnavailableError("over"));
  EXPECT_EQ(cancel.status().code(), absl::StatusCode::kUnavailable);
  gate.Leave(ticket);
}

TEST(CallGateTest, ItMayGoAsSoonAsTheLastCallHasLeft) {
  auto gate = std::make_unique<CallGate>(2);
  int64_t ticket = 0;
  ASSERT_TRUE(gate->Enter("Analyze", CancelToken(), &ticket).ok());
  std::thread owner([&] {
    EXPECT_TRUE(gate->WaitEmpty(Clock::now() + std::chrono::seconds(60)));
    gate.reset();
  });
  const PauseForTest pause("CallGate::Leave", [&] { owner.join(); });
  gate->Leave(ticket);
  EXPECT_TRUE(pause.reached());
  EXPECT_EQ(gate, nullptr);
}

TEST(CallGateTest, NoKindOfCallTakesTheShareOfAnother) {
  // A share is 2; 2 places are anybody's.
  CallGate gate(8, {"Upload", "Analyze", "List"});
  int64_t ticket = 0;
  std::vector<int64_t> uploads;
  while (gate.Enter("Upload", CancelToken(), &ticket).ok()) uploads.push_back(ticket);
  EXPECT_EQ(uploads.size(), 4u);
  for (const char* kind : {"Analyze", "List"}) {
    EXPECT_TRUE(gate.Enter(kind, CancelToken(), &ticket).ok()) << kind;
    EXPECT_TRUE(gate.Enter(kind, CancelToken(), &ticket).ok()) << kind;
  }
  const absl::Status full = gate.Enter("List", CancelToken(), &ticket);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(gate.calls(), 8);
  // A place that was anybody's is so again.
  gate.Leave(uploads.back());
  EXPECT_TRUE(gate.Enter("List", CancelToken(), &ticket).ok());
  EXPECT_FALSE(gate.Enter("Upload", CancelToken(), &ticket).ok());
}

TEST(CallGateTest, AGateTooSmallForSharesIsOneForAll) {
  CallGate gate(1, {"Upload", "Analyze", "List"});
  int64_t ticket = 0;
  EXPECT_TRUE(gate.Enter("Upload", CancelToken(), &ticket).ok());
  EXPECT_FALSE(gate.Enter("List", CancelToken(), &ticket).ok());
  gate.Leave(ticket);
  EXPECT_TRUE(gate.Enter("List", CancelToken(), &ticket).ok());
}

}  // namespace
}  // namespace reelsight::rpc
