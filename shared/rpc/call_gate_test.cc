// SPDX-License-Identifier: Apache-2.0
#include "shared/rpc/call_gate.h"

#include <memory>
#include <thread>

#include "gtest/gtest.h"
#include "shared/base/status.h"
#include "shared/base/test_pause.h"

namespace reelsight::rpc {
namespace {

using Clock = std::chrono::steady_clock;

TEST(CallGateTest, BoundsTheCallsInside) {
  CallGate gate(2);
  int64_t first = 0, second = 0, third = 0;
  ASSERT_TRUE(gate.Enter(CancelToken(), &first).ok());
  ASSERT_TRUE(gate.Enter(CancelToken(), &second).ok());
  const absl::Status full = gate.Enter(CancelToken(), &third);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetReason(full), "SERVER_BUSY");
  EXPECT_GT(GetRetryDelay(full), absl::ZeroDuration());
  gate.Leave(first);
  EXPECT_TRUE(gate.Enter(CancelToken(), &third).ok());
  EXPECT_EQ(gate.calls(), 2);
  gate.Leave(second);
  gate.Leave(third);
}

TEST(CallGateTest, DrainRefusesNewCallsAndWaitsForTheOthers) {
  CallGate gate(2);
  int64_t ticket = 0, late = 0;
  ASSERT_TRUE(gate.Enter(CancelToken(), &ticket).ok());
  gate.BeginDrain();
  EXPECT_TRUE(gate.draining());
  const absl::Status refused = gate.Enter(CancelToken(), &late);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetReason(refused), "SERVER_DRAINING");
  EXPECT_FALSE(gate.WaitEmpty(Clock::now() + std::chrono::milliseconds(20)));
  std::thread leaver([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    gate.Leave(ticket);
  });
  EXPECT_TRUE(gate.WaitEmpty(Clock::now() + std::chrono::seconds(30)));
  leaver.join();
}

TEST(CallGateTest, CancelAllReachesTheCallsInside) {
  CallGate gate(2);
  int64_t ticket = 0;
  const CancelToken cancel;
  ASSERT_TRUE(gate.Enter(cancel, &ticket).ok());
  gate.CancelAll(absl::UnavailableError("over"));
  EXPECT_EQ(cancel.status().code(), absl::StatusCode::kUnavailable);
  gate.Leave(ticket);
}

TEST(CallGateTest, ItMayGoAsSoonAsTheLastCallHasLeft) {
  auto gate = std::make_unique<CallGate>(2);
  int64_t ticket = 0;
  ASSERT_TRUE(gate->Enter(CancelToken(), &ticket).ok());
  std::thread owner([&] {
    EXPECT_TRUE(gate->WaitEmpty(Clock::now() + std::chrono::seconds(60)));
    gate.reset();
  });
  const PauseForTest pause("CallGate::Leave", [&] { owner.join(); });
  gate->Leave(ticket);
  EXPECT_TRUE(pause.reached());
  EXPECT_EQ(gate, nullptr);
}

}  // namespace
}  // namespace reelsight::rpc
